"use strict";
const data = JSON.parse(document.getElementById("payload").textContent);
const root = document.documentElement;
const color = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
const fade = (name, share) => `color-mix(in srgb, ${color(name)} ${share}%, transparent)`;
const [NUMBER, INSTRUMENT, SIDE, OPEN, ENTRY, EXIT, ENTRY_PRICE, EXIT_PRICE, PNL, LABEL] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

const number = (value, digits = 6) => value.toLocaleString("en-US", { maximumSignificantDigits: digits });
const money = (value) => Math.abs(value) >= 0.01 || value === 0
  ? value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 }) : number(value, 3);
const percent = (value) => (100 * value).toFixed(2) + " %";
const clock = (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " ");
const decoded = (series) => {
  let time = 0;
  return [series.t.map((step) => (time += step)), series.v];
};

// ticks of the time axis: the date where it changes, else the time, with seconds where ticks are that near
function times(chart, ticks) {
  const texts = ticks.map(clock);
  const near = ticks.length > 1 && ticks[1] - ticks[0] < 60000;
  const daily = texts.every((text) => text.endsWith("00:00:00"));
  return texts.map((text, place) => {
    if (chart.valToPos(ticks[place], "x") > chart.bbox.width / devicePixelRatio - 32) return ""; // it would be cut off
    const date = text.slice(0, 10), changed = place === 0 || texts[place - 1].slice(0, 10) !== date;
    return daily || (changed && text.endsWith("00:00:00")) ? date : text.slice(11, near ? 19 : 16);
  });
}

const begin = data.begin_ms, end = Math.max(data.end_ms, data.begin_ms + 1);
const charts = [];
let zooming = false;

function zoom(min, max) {
  zooming = true;
  for (const chart of charts) chart.setScale("x", { min, max });
  zooming = false;
}

function follow(chart, scale) {
  if (scale !== "x" || zooming || !charts.includes(chart)) return;
  zoom(chart.scales.x.min, chart.scales.x.max);
}

function draw(id, height, rows, series, axis, hooks = {}) {
  const place = document.getElementById(id), output = document.getElementById("at-" + id);
  const line = { stroke: () => color("soft"), grid: { stroke: () => color("line"), width: 1 }, ticks: { show: false } };
  const format = axis.values || number;
  const show = (chart) => {
    const at = chart.cursor.idx;
    const value = at == null ? null : chart.data[1][at];
    output.textContent = value == null ? "" : `${clock(chart.data[0][at])}   ${format(value)}`;
  };
  const chart = new uPlot({
    width: place.clientWidth, height, ms: 1, legend: { show: false },
    tzDate: (ms) => uPlot.tzDate(new Date(ms), "Etc/UTC"),
    scales: { x: { time: true, range: (_, min, max) => (min == null ? [begin, end] : [min, max]) }, y: axis.scale || {} },
    padding: [6, 4, 0, 0],
    axes: [
      { ...line, space: 90, size: 26, gap: 4, values: times },
      { ...line, space: 34, size: 76, values: (_, ticks) => ticks.map((tick) => format(tick)) },
    ],
    series: [{}, { width: 1.4, points: { show: false }, ...series }],
    cursor: {
      sync: { key: "time", scales: ["x", null] }, points: { size: 6 }, y: false,
      bind: { dblclick: () => () => zoom(begin, end) }, drag: { x: true, y: false, dist: 4 },
    },
    hooks: { ...hooks, setScale: [follow], setCursor: [show, ...(hooks.setCursor || [])] },
  }, rows, place);
  charts.push(chart);
  chart.setScale("x", { min: begin, max: end });
  return chart;
}

// ---- equity and drawdown

draw("equity", 260, decoded(data.equity), { stroke: () => color("accent"), fill: () => fade("accent", 8) }, { values: money }, {
  draw: [(chart) => {
    const y = chart.valToPos(data.initial, "y", true), { ctx, bbox } = chart;
    if (y < bbox.top || y > bbox.top + bbox.height) return;
    ctx.save();
    ctx.strokeStyle = color("soft");
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  }],
});
draw("drawdown", 150, decoded(data.drawdown), { stroke: () => color("loss"), fill: () => fade("loss", 18) }, {
  values: percent, scale: { range: (_, min) => [Math.min(min * 1.08, -2e-4), 0] },
});

// ---- trades on the price, and profit by time

function clipped(chart, paint) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  paint(ctx, devicePixelRatio);
  ctx.restore();
}

function triangle(ctx, x, y, size, up) {
  const turn = up ? 1 : -1;
  ctx.beginPath();
  ctx.moveTo(x, y + turn * 2);
  ctx.lineTo(x - size, y + turn * (2 + 1.7 * size));
  ctx.lineTo(x + size, y + turn * (2 + 1.7 * size));
  ctx.closePath();
  ctx.fill();
  ctx.stroke();
}

const tone = (trade) => color(trade[PNL] > 0 ? "gain" : trade[PNL] < 0 ? "loss" : "soft");
const inView = (chart, trade) => trade[EXIT] >= chart.scales.x.min && trade[ENTRY] <= chart.scales.x.max;

function paintTrades(chart, trades) {
  clipped(chart, (ctx, pixel) => {
    const at = (ms, price) => [chart.valToPos(ms, "x", true), chart.valToPos(price, "y", true)];
    const seen = trades.filter((trade) => inView(chart, trade));
    const size = (seen.length > 400 ? 3 : 5) * pixel;
    ctx.lineWidth = 1.2 * pixel;
    for (const trade of seen) {
      ctx.strokeStyle = tone(trade);
      ctx.setLineDash(trade[OPEN] ? [3 * pixel, 3 * pixel] : []);
      ctx.beginPath();
      ctx.moveTo(...at(trade[ENTRY], trade[ENTRY_PRICE]));
      ctx.lineTo(...at(trade[EXIT], trade[EXIT_PRICE]));
      ctx.stroke();
    }
    ctx.setLineDash([]);
    for (const trade of seen) {
      ctx.strokeStyle = color("card");
      ctx.fillStyle = color(trade[SIDE] > 0 ? "gain" : "loss");
      triangle(ctx, ...at(trade[ENTRY], trade[ENTRY_PRICE]), size, trade[SIDE] > 0);
      if (trade[OPEN]) continue;
      ctx.fillStyle = color("card");
      ctx.strokeStyle = tone(trade);
      ctx.beginPath();
      ctx.arc(...at(trade[EXIT], trade[EXIT_PRICE]), 0.75 * size, 0, 7);
      ctx.fill();
      ctx.stroke();
    }
  });
}

function paintProfits(chart, trades) {
  clipped(chart, (ctx, pixel) => {
    const zero = chart.valToPos(0, "y", true), seen = trades.filter((trade) => inView(chart, trade));
    ctx.lineWidth = Math.max(1, Math.min(3, 400 / (seen.length + 1))) * pixel;
    for (const trade of seen) {
      const x = chart.valToPos(trade[EXIT], "x", true), y = chart.valToPos(trade[PNL], "y", true);
      ctx.strokeStyle = ctx.fillStyle = tone(trade);
      ctx.beginPath();
      ctx.moveTo(x, zero);
      ctx.lineTo(x, y);
      ctx.stroke();
      ctx.beginPath();
      ctx.arc(x, y, 2.6 * pixel, 0, 7);
      ctx.fill();
    }
  });
}

function bubble(chart, spots) {
  const box = document.createElement("div");
  box.className = "bubble";
  box.hidden = true;
  chart.root.parentElement.parentElement.append(box);
  return () => {
    const { left, top } = chart.cursor;
    let nearest = null, distance = 14;
    if (left >= 0 && top >= 0) {
      for (const [ms, value, trade] of spots()) {
        const apart = Math.hypot(chart.valToPos(ms, "x") - left, chart.valToPos(value, "y") - top);
        if (apart < distance) [nearest, distance] = [trade, apart];
      }
    }
    box.hidden = !nearest;
    if (!nearest) return;
    const words = [
      `#${nearest[NUMBER]} ${nearest[SIDE] > 0 ? "long" : "short"} · ${nearest[LABEL]}`,
      `in  ${clock(nearest[ENTRY])}  at ${number(nearest[ENTRY_PRICE], 8)}`,
      `${nearest[OPEN] ? "now" : "out"} ${clock(nearest[EXIT])}  at ${number(nearest[EXIT_PRICE], 8)}`,
      `profit ${money(nearest[PNL])} ${data.quote}`,
    ];
    box.replaceChildren(...words.flatMap((word, place) => (place ? [document.createElement("br"), word] : [word])));
    const x = chart.over.offsetLeft + left + 26, wide = chart.root.clientWidth;
    box.style.left = (x + box.offsetWidth > wide ? x - box.offsetWidth - 24 : x) + "px";
    box.style.top = chart.over.offsetTop + top + 26 + "px";
  };
}

let shown = data.prices.length ? data.prices[0].instrument : null;
const mine = () => data.trades.filter((trade) => trade[INSTRUMENT] === shown);
let priceChart = null;

if (data.prices.length) {
  const choose = document.getElementById("instrument");
  const rows = () => decoded(data.prices.find((price) => price.instrument === shown).line);
  priceChart = draw("price", 340, rows(), { stroke: () => color("soft"), width: 1 }, { values: (value) => number(value, 8) }, {
    draw: [(chart) => paintTrades(chart, mine())],
  });
  const spots = () => mine().flatMap((t) => [[t[ENTRY], t[ENTRY_PRICE], t], [t[EXIT], t[EXIT_PRICE], t]]);
  const hover = bubble(priceChart, spots);
  priceChart.over.addEventListener("mousemove", hover);
  priceChart.over.addEventListener("mouseleave", () => setTimeout(hover));
  if (choose) choose.addEventListener("change", () => {
    shown = Number(choose.value);
    const { min, max } = priceChart.scales.x;
    priceChart.setData(rows(), false);
    priceChart.setScale("x", { min, max });
  });
}

if (document.getElementById("pnl")) {
  const ended = data.trades.slice().sort((a, b) => a[EXIT] - b[EXIT]);
  const rows = [ended.map((trade) => trade[EXIT]), ended.map((trade) => trade[PNL])];
  const range = (_, min, max) => {
    const low = Math.min(0, min ?? 0), high = Math.max(0, max ?? 0), room = (high - low || 1) * 0.08;
    return [low - room, high + room];
  };
  const chart = draw("pnl", 170, rows, { paths: () => null }, { values: money, scale: { range } }, {
    draw: [(chart) => paintProfits(chart, data.trades)],
  });
  const hover = bubble(chart, () => data.trades.map((trade) => [trade[EXIT], trade[PNL], trade]));
  chart.over.addEventListener("mousemove", hover);
  chart.over.addEventListener("mouseleave", () => setTimeout(hover));
}

// ---- table, theme, size, print

const table = document.getElementById("trades");
if (table) {
  const body = table.tBodies[0];
  table.querySelectorAll("th button").forEach((button, column) => {
    let turn = 1;
    button.addEventListener("click", () => {
      const key = (row) => row.cells[column].dataset.v;
      const order = (a, b) => key(a) === undefined
        ? a.cells[column].textContent.localeCompare(b.cells[column].textContent) : key(a) - key(b);
      body.replaceChildren(...[...body.rows].sort((a, b) => turn * order(a, b)));
      turn = -turn;
    });
  });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    const trade = row && data.trades.find((one) => one[NUMBER] === Number(row.dataset.n));
    if (!trade) return;
    const choose = document.getElementById("instrument");
    if (priceChart && trade[INSTRUMENT] !== shown && data.prices.some((p) => p.instrument === trade[INSTRUMENT])) {
      choose.value = trade[INSTRUMENT];
      choose.dispatchEvent(new Event("change"));
    }
    const room = Math.max(2 * (trade[EXIT] - trade[ENTRY]), (end - begin) / 400);
    zoom(Math.max(begin, trade[ENTRY] - room), Math.min(end, trade[EXIT] + room));
    document.getElementById("charts").scrollIntoView({ behavior: "smooth" });
  });
}

const redraw = () => charts.forEach((chart) => chart.redraw(false));
const resize = (width) => charts.forEach((chart) => {
  chart.setSize({ width: width || chart.root.parentElement.clientWidth, height: chart.height });
});
document.getElementById("reset").addEventListener("click", () => zoom(begin, end));
document.getElementById("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
let waiting = 0;
addEventListener("resize", () => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => resize());
});
let before = "";
addEventListener("beforeprint", () => {
  before = root.dataset.theme || "";
  root.dataset.theme = "light";
  resize(660);
});
addEventListener("afterprint", () => {
  if (before) root.dataset.theme = before;
  else delete root.dataset.theme;
  resize();
});
