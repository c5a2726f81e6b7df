"""Contract 002, rules that hold for all of it, and the socket's ping."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from tests.api.asgi_socket import connected
from tests.api.error_bodies import error_code
from tests.api.paths import filled
from tests.api.worlds import World
from tests.documents.routes import is_mounted
from tests.documents.shapes import inventory, misfits

ENTRIES = inventory("s2.")
JSON = {"Content-Type": "application/json"}
PAGES_MAX = 100


def served(**like: Any) -> list[dict[str, Any]]:
    """Entries with a route that is there, and these values."""
    return [
        entry
        for entry in ENTRIES.values()
        if entry["kind"] == "rest" and is_mounted(entry) and all(entry.get(key) == value for key, value in like.items())
    ]


async def wraps_successes(made: World) -> None:
    """Every success is `data` and `meta`, whose id is that of the request's line in the log."""
    shape = ENTRIES["s2.rule.success_envelope"]["response_shape"]
    for entry in served(method="GET"):
        if "{" in entry["path_template"]:
            continue
        answer = await made.get(entry["path_template"])
        assert answer.status_code == 200, answer.text
        assert misfits(answer.json(), shape) == []
        assert answer.json()["meta"]["requestId"] == answer.headers["x-request-id"]


async def wraps_errors(made: World) -> None:
    """Every error is `error` and `meta`: of our own and of the framework's, on paths that are not there as well."""
    shape = ENTRIES["s2.rule.error_envelope"]["response_shape"]
    start = "/api/v1/training/start"
    for answer, status, code in (
        (await made.client.post(start, json={"symbols": []}), 400, "VALIDATION_ERROR"),
        (await made.client.post(start, content=b"{", headers=JSON), 400, "VALIDATION_ERROR"),
        (await made.get("/api/v1/training/jobs?limit=0"), 400, "VALIDATION_ERROR"),
        (await made.get("/api/v1/training/jobs?limit=x"), 400, "VALIDATION_ERROR"),
        (await made.get("/api/v1/nosuch"), 404, "NOT_FOUND"),
        (await made.get("/api/v1/"), 404, "NOT_FOUND"),
        (await made.client.delete("/api/v1/models"), 405, "METHOD_NOT_ALLOWED"),
        (await made.client.post(start, content=b" " * 1_100_000, headers=JSON), 413, "TOO_LARGE"),
        (await made.client.post(start, content=b"a=1", headers={"Content-Type": "text/plain"}), 415, None),
        (await made.get("/api/v1/models", Host="evil.example"), 403, "BAD_HOST"),
    ):
        assert answer.status_code == status, answer.text
        assert misfits(answer.json(), shape) == []
        assert code in (None, error_code(answer))


async def names_the_field_at_fault(made: World) -> None:
    """VALIDATION_ERROR has what is wrong by the dotted name of its field."""
    body = ENTRIES["s2.training.start"]["request_example"]
    for change, field in (
        ({"epochs": 0}, "epochs"),
        ({"epochs": 1001}, "epochs"),
        ({"symbols": []}, "symbols"),
        ({"timeframe": "9m"}, "timeframe"),
        ({"config": {"ppo": {"gamma": 7}}}, "config.ppo.gamma"),
        ({"config": {"risk": {}}}, "config.risk"),
        ({"surely_unknown": 1}, "surely_unknown"),
    ):
        answer = await made.client.post("/api/v1/training/start", json=body | change)
        assert (answer.status_code, error_code(answer)) == (400, "VALIDATION_ERROR")
        assert field in answer.json()["error"]["details"], answer.text


async def does_not_find(made: World) -> None:
    """NOT_FOUND for an id that is not there, on every route with one."""
    for entry in served():
        if "{" in entry["path_template"]:
            answer = await made.client.request(entry["method"], filled(entry["path_template"]))
            assert answer.status_code == 404, answer.text
            assert error_code(answer) in ("NOT_FOUND", "MODEL_NOT_FOUND")


async def hides_what_broke(made: World) -> None:
    """INTERNAL_ERROR says nothing of what happened."""

    async def broken(*_: object) -> None:
        raise RuntimeError("secret-canary")

    reader, sound = made.house.reader, made.house.reader.moment
    reader.moment = broken  # type: ignore[method-assign,assignment]
    try:
        answer = await made.get("/api/v1/models?limit=3")
    finally:
        reader.moment = sound  # type: ignore[method-assign]
    assert (answer.status_code, error_code(answer)) == (500, "INTERNAL_ERROR")
    assert "canary" not in answer.text


async def asks_for_no_token(made: World) -> None:
    """On loopback no route of this contract asks for one; a bad one changes nothing."""
    for entry in served():
        for headers in ({}, {"Authorization": "Bearer x.y.z"}):
            path = filled(entry["path_template"])
            answer = await made.client.request(entry["method"], f"{path}?surely_unknown=1", headers=headers)
            assert answer.status_code in (400, 404), (path, answer.status_code)


async def speaks_json(made: World) -> None:
    """Answers are JSON, and so are bodies."""
    for entry in served(method="GET", content_type=None):
        answer = await made.get(filled(entry["path_template"]))
        assert answer.headers["content-type"] == "application/json"
    for entry in served(method="POST"):
        if entry["request_example"] is None:
            continue
        path = filled(entry["path_template"])
        answer = await made.client.post(path, content=b"<a/>", headers={"Content-Type": "text/xml"})
        assert answer.status_code == 415, path


async def pages_through_lists(made: World) -> None:
    """Each list has its block beside the data, and pages follow each other without overlap until the end."""
    for entry in served(method="GET", paginated=True):
        path = entry["path_template"]
        if "{" in path:
            continue  # a page of one thing: paged through by the cases of that thing
        whole = (await made.get(f"{path}?limit=1000")).json()
        assert misfits(whole, ENTRIES["s2.rule.pagination"]["response_shape"]) == []
        pages, offset, more = [], 0, True
        while more and offset < PAGES_MAX:
            page = (await made.get(f"{path}?limit=1&offset={offset}")).json()
            assert page["pagination"] == {
                "limit": 1,
                "offset": offset,
                "total": whole["pagination"]["total"],
                "hasMore": offset + 1 < whole["pagination"]["total"],
            }
            pages += rows_of(page["data"])
            more, offset = page["pagination"]["hasMore"], offset + 1
        assert pages == rows_of(whole["data"])[:PAGES_MAX], path
        beyond = (await made.get(f"{path}?limit=5&offset=5000")).json()
        assert (rows_of(beyond["data"]), beyond["pagination"]["hasMore"]) == ([], False)


def rows_of(data: dict[str, Any]) -> list[Any]:
    """The one list in the data of an answer."""
    (found,) = (value for value in data.values() if isinstance(value, list))
    return list(found)


async def answers_pings(made: World) -> None:
    """A socket opens without a token, and every ping has its pong; what is no message is an error, not an end."""
    async with connected(made.app) as socket:
        await socket.send(ENTRIES["s2.ws.client.ping"]["request_example"] or {"type": "ping"})
        pong = await until(socket, "pong")
        assert misfits(pong, ENTRIES["s2.ws.server.pong"]["response_shape"]) == []
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", pong["timestamp"])
        await socket.send("{")
        assert (await until(socket, "error"))["type"] == "error"
        await socket.send({"type": "ping"})
        assert (await until(socket, "pong"))["type"] == "pong"


async def until(socket: Any, kind: str) -> dict[str, Any]:
    """The next message of a type."""
    while True:
        message: dict[str, Any] = await socket.receive()
        if message["type"] == kind:
            return message


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s2.rule.success_envelope": wraps_successes,
    "s2.rule.error_envelope": wraps_errors,
    "s2.rule.error.VALIDATION_ERROR": names_the_field_at_fault,
    "s2.rule.error.NOT_FOUND": does_not_find,
    "s2.rule.error.INTERNAL_ERROR": hides_what_broke,
    "s2.rule.auth_phase1": asks_for_no_token,
    "s2.rule.content_type": speaks_json,
    "s2.rule.pagination": pages_through_lists,
    "s2.ws.connect": answers_pings,
    "s2.ws.client.ping": answers_pings,
    "s2.ws.server.pong": answers_pings,
}
