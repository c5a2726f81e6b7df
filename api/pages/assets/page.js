"use strict";
// The page at "/": reads the API of this server and shows what runs. Everything from the server is set as text.
const at = (id) => document.getElementById(id);
const TOKEN = "tapedeck-token";
const number = (value, digits) => value == null ? "–" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const moment = (text) => text ? text.slice(0, 19).replace("T", " ") : "–";

function headers() {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { Authorization: "Bearer " + token } : {};
}

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { ...headers(), ...(options.headers || {}) } });
  if (answer.status === 401) { sessionStorage.removeItem(TOKEN); at("login").hidden = false; named(null); }
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error_message || answer.statusText);
  return answer;
}

function cell(content, kind) {
  const td = document.createElement("td");
  if (kind) td.className = kind;
  if (content instanceof Node) td.append(content); else td.textContent = content;
  return td;
}

function code(text) {
  const element = document.createElement("code");
  element.textContent = text;
  return element;
}

function fill(body, rows, columns, nothing) {
  at(body).replaceChildren(...rows);
  if (rows.length) return;
  const row = document.createElement("tr"), only = cell(nothing, "none");
  only.colSpan = columns;
  row.append(only);
  at(body).append(row);
}

const MOODS = { running: "good", completed: "", stopped: "", failed: "bad", suspended: "warn", started: "warn" };

function session(one) {
  const row = document.createElement("tr");
  const gain = one.cash > 0 && one.equity != null ? one.equity / one.cash - 1 : null;
  const report = document.createElement("a");
  report.href = "/api/sessions/" + encodeURIComponent(one.session) + "/report";
  report.textContent = "report";
  report.addEventListener("click", (event) => open_report(event, report.href));
  row.append(
    cell(code(one.session)), cell(one.mode), cell(one.state, MOODS[one.state] || ""),
    cell(one.strategies.join(", ") || "–", "wide"), cell(one.symbols.join(", "), "wide"),
    cell(number(one.equity, 2), "number"),
    cell(gain == null ? "–" : (gain > 0 ? "+" : "") + number(100 * gain, 2) + " %", "number " + (gain > 0 ? "good" : gain < 0 ? "bad" : "")),
    cell(number(one.trades, 0), "number"), cell(moment(one.started_time)), cell(one.mode === "collect" ? "" : report));
  row.title = one.error_message || (one.decision_hash ? "decision hash " + one.decision_hash : "");
  return row;
}

function recording(one) {
  const row = document.createElement("tr");
  row.append(
    cell(code(one.session_id)), cell(one.symbols.join(", "), "wide"), cell(one.data_types.join(", ")),
    cell(one.status, one.status === "failed" ? "bad" : one.status === "running" ? "good" : ""),
    cell(number(one.records_collected, 0), "number"), cell(moment(one.start_time)), cell(one.duration || "–"));
  row.title = one.description;
  return row;
}

// a link cannot carry the token: where the server asks for one, the report is fetched and saved as a file
let closed = false;
async function open_report(event, address) {
  if (!closed) return;
  event.preventDefault();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await (await ask(address)).blob());
  link.download = address.split("/").at(-2) + ".html";
  link.click();
}

async function show_health() {
  try {
    const found = await (await fetch("/api/health")).json();
    at("status").textContent = found.ready ? found.status : "catching up";
    at("status").className = "pill " + (found.ready ? found.status : "degraded");
    at("line").textContent = "One log, one order. Version " + found.version;
    const troubled = Object.entries(found.components).filter(([, one]) => one.status !== "ok");
    at("health").textContent = troubled.length ? troubled.map(([name, one]) => name + ": " + one.status).join(", ") : "All parts are well";
  } catch (error) {
    at("status").textContent = "unreachable";
    at("status").className = "pill down";
  }
}

async function show() {
  await show_health();
  try {
    const research = at("research").checked;
    const [sessions, recordings, tape, symbols] = await Promise.all([
      ask("/api/sessions?limit=50&include_research=" + research), ask("/api/data-collection/sessions?limit=50"),
      ask("/api/tape/info"), ask("/api/market/symbols")].map(async (answer) => (await answer).json()));
    fill("sessions", sessions.rows.map(session), 10, "No session yet. Start one with POST /sessions/start or tapedeck session start.");
    fill("recordings", recordings.sessions.map(recording), 7, "No recording yet. Import one with tapedeck import.");
    at("tape").textContent = number(tape.last_sequence, 0) + " events, " + number(tape.size_bytes / 1048576, 1) + " MiB";
    at("symbols").textContent = symbols.symbols.slice(0, 4).join(", ") + (symbols.symbols.length > 4 ? " …" : "") || "None yet";
    at("epoch").textContent = "epoch " + tape.epoch;
  } catch (error) {
    at("line").textContent = error.message;
  }
}

function named(user) {
  at("who").textContent = user ? user + " · log out" : "Log in";
}

async function login(event) {
  event.preventDefault();
  at("login-error").textContent = "";
  const form = new FormData(event.target);
  try {
    const answer = await ask("/api/auth/login", { method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username: form.get("username"), password: form.get("password") }) });
    const pair = await answer.json();
    sessionStorage.setItem(TOKEN, pair.access_token);
    event.target.reset();
    at("login").hidden = true;
    named(pair.user);
    follow();
    await show();
  } catch (error) {
    at("login-error").textContent = error.message;
  }
}

async function logout_or_ask() {
  if (sessionStorage.getItem(TOKEN)) { sessionStorage.removeItem(TOKEN); named(null); await show(); }
  else at("login").hidden = !at("login").hidden;
}

let socket = null, waiting = null;
// sessions that start or end are shown at once
function follow() {
  if (socket) socket.close();
  const token = sessionStorage.getItem(TOKEN);
  socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/ws" + (token ? "?token=" + encodeURIComponent(token) : ""));
  socket.addEventListener("message", () => { clearTimeout(waiting); waiting = setTimeout(show, 300); });
}

function theme() {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
}

at("login").addEventListener("submit", login);
at("who").addEventListener("click", logout_or_ask);
at("theme").addEventListener("click", theme);
at("research").addEventListener("change", show);
fetch("/api/tape/info").then((answer) => { closed = answer.status === 401; });
show().then(async () => {
  const status = await (await fetch("/api/auth/status", { headers: headers() })).json().catch(() => null);
  if (status && status.authenticated) named(status.user);
  follow();
});
setInterval(() => { if (!document.hidden) show(); }, 10000);
