"""The facts of an entry of the inventory that is a route, and how each is put to a house and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import httpx
from litestar import Litestar

from tests.api.error_bodies import error_code, fields_at_fault
from tests.api.sse import listening
from tests.documents.left import left
from tests.documents.shapes import inventory, misfits, unseen

Entry = dict[str, Any]
Fact = tuple[
    str, str
]  # id of an entry, part of it: `answer`, `auth`, `error 404`, `query limit`, `alias /path`, `form 1`
UNKNOWN_QUERY = {"surely_unknown": "1"}  # refused behind the guard: nothing runs, no stream opens
USERS = {"none": "", "jwt": "trader", "jwt+csrf": "trader", "admin": "admin"}


class House(Protocol):
    """Whom the facts are put to."""

    client: httpx.AsyncClient
    app: Litestar | None  # None: in another process

    def bearer(self, name: str = "trader", *, csrf: bool = False) -> dict[str, str]:
        """Headers of a user, who is called as the role is."""
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """What the documented request needs to be sent here. A text `@name` is what the stage makes under that name."""

    parts: Mapping[str, str] = field(default_factory=dict)  # parameters of the path
    query: Mapping[str, Any] = field(default_factory=dict)
    fill: Mapping[str, Any] = field(
        default_factory=dict
    )  # fields of the body by dotted name, in place of the example's
    body: Any = None  # in place of the whole example
    user: str | None = None  # "" is nobody; None as the entry says
    headers: Mapping[str, str] = field(default_factory=dict)
    csrf: bool = True
    needs: tuple[str, ...] = ()  # what else the stage makes before
    during: str = ""  # what goes on meanwhile, by name

    def with_(self, other: Ask) -> Ask:
        """This request, with what another changes of it."""
        return Ask(
            parts={**self.parts, **other.parts},
            query={**self.query, **other.query},
            fill={**self.fill, **other.fill},
            body=self.body if other.body is None else other.body,
            user=self.user if other.user is None else other.user,
            headers={**self.headers, **other.headers},
            csrf=self.csrf and other.csrf,
            needs=self.needs + other.needs,
            during=other.during or self.during,
        )


@dataclass(frozen=True, slots=True)
class Wrong:
    """How an error is provoked: what is changed of the request that succeeds, and the field that the answer names."""

    change: Ask = field(default_factory=Ask)
    names: str = ""
    broken: bool = False  # what the house reads from is broken meanwhile


@dataclass(frozen=True, slots=True)
class Param:
    """What a parameter of the query does."""

    value: Any = None
    sees: Callable[[Any, Any], bool] | None = None  # of the bodies without it and with it
    wrong: Any = None  # a value that is refused with the parameter's name
    without: int = 0  # the status where it is left out, and need not be there in another request


NO_TOKEN = Wrong(Ask(user=""))
BAD_TOKEN = Wrong(Ask(user="", headers={"Authorization": "Bearer x.y.z"}))
NO_CSRF = Wrong(Ask(csrf=False))
BAD_CSRF = Wrong(Ask(headers={"X-CSRF-Token": "x"}))
TOKENS = (NO_TOKEN, BAD_TOKEN)


def nosuch(*names: str) -> tuple[Wrong, ...]:
    """An id that is not there in the place of the path's parameters; the error names the first of them."""
    return (Wrong(Ask(parts=dict.fromkeys(names, "nosuch")), names[0]),)


@dataclass(frozen=True, slots=True)
class Table:
    """What one contract's facts need: how requests are filled in, errors provoked, parameters seen, and exceptions."""

    asks: Mapping[str, Ask]
    errors: Mapping[tuple[str, int], tuple[Wrong, ...]]
    queries: Mapping[tuple[str, str], Param]
    exceptions: Mapping[Fact, int]  # facts that do not hold, and the status seen instead; docs/contracts.md says why
    forms: Mapping[str, Ask] = field(default_factory=dict)  # what gives the other form of an answer
    empty: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (entry, place in its answer) never seen, why


def routes_of(prefix: str) -> dict[str, Entry]:
    """Entries that are routes of their own."""
    return {
        name: entry
        for name, entry in inventory(prefix).items()
        if entry["kind"] == "rest" or (entry["kind"] == "sse" and entry["method"] == "GET")
    }


def facts_of(entry: Entry) -> list[Fact]:
    """What an entry says that can be asked for."""
    name = entry["id"]
    parts = ["answer", "auth"]
    parts += sorted({f"error {one['status']}" for one in entry["errors"]})
    parts += [f"query {one['name']}" for one in entry["query"]]
    parts += [f"alias {path}" for path in entry.get("alt_paths", [])]
    parts += ["form 2"] if "alt_response_example" in entry and name not in left()["refused"] else []
    return [(name, part) for part in parts]


def shape_of(entry: Entry) -> Any:
    """The documented shape of the answer, else the suggested one."""
    return entry["response_shape"] if entry["response_documented"] else entry.get("suggested_shape", "any")


class Staged(Protocol):
    """What is there, or made, for requests to succeed."""

    async def make(self, name: str) -> Any:
        """What stands under a name."""
        ...

    def during(self, name: str) -> AbstractAsyncContextManager[Any]:
        """What goes on meanwhile."""
        ...

    def broken(self) -> AbstractContextManager[None]:
        """What the house reads from breaks."""
        ...


@dataclass(slots=True)
class Asker:
    """Sends the requests of entries to a house."""

    house: House
    stage: Staged
    staged: bool = True  # whether the house has something of everything that answers can show

    async def send(self, entry: Entry, ask: Ask, path: str = "") -> httpx.Response:
        """The answer to the documented request, filled in."""
        method, url, query, headers = await self.request(entry, ask, path)
        body = None
        if entry["request_example"] is not None or ask.body is not None:
            body = await self.filled(merged(ask.body if ask.body is not None else entry["request_example"], ask.fill))
        async with self.stage.during(ask.during):
            return await self.house.client.request(method, url, params=query, json=body, headers=headers)

    async def request(self, entry: Entry, ask: Ask, path: str = "") -> tuple[str, str, dict[str, Any], dict[str, str]]:
        """Method, path, query and headers."""
        for name in ask.needs:
            await self.stage.make(name)
        url = path or entry["path_template"].replace(":id", "{id}")
        for name, value in (await self.filled(dict(ask.parts))).items():
            url = url.replace(f"{{{name}}}", str(value))
        assert "{" not in url, f"{entry['id']}: no value for a part of {url}"
        user = USERS[entry["auth"]] if ask.user is None else ask.user
        csrf = ask.csrf and entry["auth"] == "jwt+csrf"
        headers = {**(self.house.bearer(user, csrf=csrf) if user else {}), **ask.headers}
        query = {name: value for name, value in (await self.filled(dict(ask.query))).items() if value is not None}
        return entry["method"], url, query, headers

    async def filled(self, value: Any) -> Any:
        """A value with what the stage makes in the place of `@name`."""
        if isinstance(value, str) and value.startswith("@"):
            return await self.stage.make(value[1:])
        if isinstance(value, dict):
            return {name: await self.filled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [await self.filled(one) for one in value]
        return value


def merged(example: Any, fill: Mapping[str, Any]) -> Any:
    """An example body with other values at dotted names; None takes a field out."""
    body = deepcopy(example)
    for dotted, value in fill.items():
        *outer, last = dotted.split(".")
        place = body
        for name in outer:
            place = place.setdefault(name, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return body


async def answers(asker: Asker, entry: Entry, table: Table, ask: Ask, path: str = "") -> None:
    """The documented request has the documented status and body; what is left for later says so."""
    if "MLPredictive" in str(entry["request_example"]):
        no_model = await asker.send(entry, Ask(user=ask.user))
        assert (no_model.status_code, error_code(no_model)) == (501, "LEARNING_NOT_AVAILABLE")
    status, codes = expected(entry)
    if entry["kind"] == "sse" and status == 200:
        await opens(asker, entry, ask)
        return
    answer = await asker.send(entry, ask, path)
    assert answer.status_code == status, answer.text
    if codes:
        assert error_code(answer) in codes
        return
    if (kind := entry.get("content_type")) is not None:
        assert answer.headers["content-type"].startswith(kind)
    for name, value in entry.get("response_headers", {}).items():
        assert value in answer.headers[name]
    shape = shape_of(entry)
    if shape == "any":
        return
    body = answer.json()
    assert not (found := misfits(body, shape)), found
    if "paginated" in entry:
        assert ("pagination" in body) is entry["paginated"], answer.text[-300:]
    if asker.staged and entry["id"] not in left()["empty"]:
        known = {place for name, place in table.empty if name == entry["id"]}
        assert not (hidden := set(unseen(body, shape)) - known), f"the answer shows nothing of {sorted(hidden)}"


async def opens(asker: Asker, entry: Entry, ask: Ask) -> None:
    """A stream of events opens."""
    _, path, query, headers = await asker.request(entry, ask)
    if asker.house.app is None:
        async with asker.house.client.stream("GET", path, params=query, headers=headers) as answer:
            assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, entry["content_type"])
        return
    async with listening(asker.house.app, path, query, headers) as events:
        await events.opened()
        assert (events.status, events.headers["content-type"].split(";")[0]) == (200, entry["content_type"])


async def takes_form(asker: Asker, entry: Entry, ask: Ask) -> None:
    """The other documented form: its keys and no others of the first, its words but for their figures."""
    answer = await asker.send(entry, ask)
    assert answer.status_code == entry["success"]["status"], answer.text
    body, example = answer.json(), entry["alt_response_example"]
    shape = shape_of(entry)
    assert not (found := misfits(body, shape["$any"][1] if "$any" in shape else shape)), found
    assert set(example) <= set(body), answer.text
    assert set(entry["response_example"]) & set(body) <= set(example), answer.text
    for name in {"status", "message", "is_admin"} & set(example):
        assert re.sub(r"\d+", "1", str(body[name])) == re.sub(r"\d+", "1", str(example[name])), answer.text
    if "queue_position" in body:
        assert str(body["queue_position"]) in body["message"]


def expected(entry: Entry) -> tuple[int, set[str]]:
    """The status of the documented request, and the codes of its error where what it asks for is left for later."""
    if entry["id"] in left()["refused"]:
        return 501, {"LEARNING_NOT_AVAILABLE"}
    if entry["id"] in left()["unknown"]:
        documented = {one["code"] for one in entry["errors"] if one["status"] == 404} - {None}
        return 404, documented or {"NOT_FOUND"}
    if entry["success"]["status"] >= 400:
        return entry["success"]["status"], {one["code"] for one in entry["errors"]}
    return entry["success"]["status"], set()


def unnamed(ask: Ask) -> Ask:
    """A request of nobody, with nothing in it that could be found."""
    return Ask(parts={**dict.fromkeys(ask.parts, "nosuch")}, query=UNKNOWN_QUERY, body=ask.body, user="")


async def guards(asker: Asker, entry: Entry, ask: Ask) -> None:
    """Who may ask is who the contract says: nobody else comes as far as to what is wrong with the request."""
    blank = replace(unnamed(ask), user=None)
    statuses = {}
    for user in ("", *dict.fromkeys(USERS.values())):
        statuses[user] = (await asker.send(entry, replace(blank, user=user))).status_code
    bad = (await asker.send(entry, blank.with_(BAD_TOKEN.change))).status_code
    allowed = {"none": {"", "trader", "admin"}, "admin": {"admin"}}.get(entry["auth"], {"trader", "admin"})
    assert {user for user, status in statuses.items() if status not in (401, 403)} == allowed, statuses
    assert (bad == 401) is (entry["auth"] != "none"), bad


async def refuses(asker: Asker, entry: Entry, status: int, ask: Ask, wrong: Wrong) -> None:
    """A documented error is answered with its status, in its contract's body, and says which field is at fault."""
    with asker.stage.broken() if wrong.broken else nullcontext():
        answer = await asker.send(entry, replace(ask, during="").with_(wrong.change))
    assert answer.status_code == status, answer.text
    code = error_code(answer)
    documented = {one["code"] for one in entry["errors"] if one["status"] == status} - {None}
    assert code in (documented or {code}), answer.text
    assert not wrong.names or wrong.names in fields_at_fault(answer), answer.text


async def matters(asker: Asker, entry: Entry, name: str, ask: Ask, param: Param) -> None:
    """A parameter of the query is asked for where it is required, changes the answer, and is refused where wrong."""
    (about,) = (one for one in entry["query"] if one["name"] == name)
    assert about["required"] or param.sees or param.without or param.wrong is not None, (
        "nothing is said of what it does"
    )
    status, _ = expected(entry)
    if about["required"] or param.without:
        without = await asker.send(entry, ask.with_(Ask(query={name: None})))
        assert without.status_code == (param.without or 400), without.text
        assert param.without or name in fields_at_fault(without), without.text
        error_code(without)
    if param.wrong is not None:
        refused = await asker.send(entry, ask.with_(Ask(query={name: param.wrong})))
        assert (refused.status_code, name in fields_at_fault(refused)) == (400, True), refused.text
        error_code(refused)
    for value in about.get("enum", ()):
        assert (await asker.send(entry, ask.with_(Ask(query={name: value})))).status_code == status, value
    if about["default"] is not None and status == 200 and asker.staged:  # elsewhere the market goes on between
        left_out = await asker.send(entry, ask.with_(Ask(query={name: None})))
        default = str(about["default"]).lower() if isinstance(about["default"], bool) else about["default"]
        named = await asker.send(entry, ask.with_(Ask(query={name: default})))
        assert still(left_out.json()) == still(named.json()), left_out.text[-300:]
    if param.sees is not None and asker.staged:
        base = await asker.send(entry, ask if about["required"] else ask.with_(Ask(query={name: None})))
        given = await asker.send(entry, ask.with_(Ask(query={name: param.value})))
        assert base.status_code == given.status_code == status, given.text
        assert param.sees(base.json(), given.json()), given.text


def still(body: Any) -> Any:
    """A body without what differs from answer to answer."""
    return {name: value for name, value in body.items() if name != "meta"} if isinstance(body, dict) else body
