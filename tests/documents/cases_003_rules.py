"""Contract 003, rules that hold for all of it, and the health of the model of sentiment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.api.paths import filled
from tests.api.worlds import World
from tests.documents.routes import is_mounted, plain
from tests.documents.shapes import inventory, misfits

ENTRIES = inventory("s3.")
JSON = {"Content-Type": "application/json"}
# nothing of it is written: infers, judges
OPEN_POSTS = ("s3.infer.nbeats", "s3.analyze", "s3.finbert.predict")


async def words_errors(made: World) -> None:
    """Every error has a code, a message, its status and the time: of our own and of the framework's."""
    shape = ENTRIES["s3.rule.error_body"]["response_shape"]
    for answer, status in (
        (await made.client.post("/api/analyze", json={"text": 7}), 400),
        (await made.client.post("/api/training/start", json={}), 401),
        (await made.post("/api/training/start", {"symbol": "A"}, "viewer"), 403),
        (await made.get("/api/training/nosuch/logs"), 404),
        (await made.get("/api/surely/nothing"), 404),
        (await made.get("/mcp/nothing"), 404),
        (await made.client.put("/predict", json={}), 405),
        (await made.client.post("/predict", content=b" " * 1_100_000, headers=JSON), 413),
        (await made.client.post("/predict", content=b"<a/>", headers={"Content-Type": "text/xml"}), 415),
    ):
        assert answer.status_code == status, answer.text
        assert misfits(answer.json(), shape) == []
        assert answer.json()["status"] == status


async def checks_what_is_sent(made: World) -> None:
    """A wrong body is a 400 that names its field."""
    for path, body, field in (
        ("/api/infer/forecast/nbeats", {"symbol": "A", "history": [], "horizon": 5}, "history"),
        ("/api/infer/forecast/nbeats", {"symbol": "A", "history": [1, "x"], "horizon": 5}, "history[1]"),
        ("/api/infer/forecast/nbeats", {"symbol": "A", "history": [1]} | {"horizon": 1e9}, "horizon"),
        ("/api/analyze", {}, "text"),
        ("/api/analyze", {"text": ""}, "text"),
        ("/predict", {"text": None}, "text"),
    ):
        answer = await made.client.post(path, json=body)
        assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text


async def asks_for_tokens_where_something_changes(made: World) -> None:
    """On loopback whoever reads needs none; what changes something asks for one (C11)."""
    for name, entry in ENTRIES.items():
        if entry["kind"] != "rest" or not is_mounted(entry):
            continue
        path = filled(plain(entry["path_template"]).replace("{}", "nosuch"))
        answer = await made.client.request(entry["method"], f"{path}?surely_unknown=1")
        asks = entry["method"] != "GET" and name not in OPEN_POSTS
        assert (answer.status_code == 401) is asks, (name, answer.status_code)


async def is_one_server(made: World) -> None:
    """Services that the document has on ports of their own answer side by side on one (C17)."""
    for path in ("/health", "/api/health", "/api/sentiment"):
        assert (await made.get(path)).status_code == 200


async def says_that_no_model_is_loaded(made: World) -> None:
    """The answer of the model's own health, whose path is at the root (C5)."""
    body = (await made.get("/health")).json()
    assert (body["model"], body["loaded"], body["status"]) == ("finbert", False, "unavailable")


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s3.rule.error_body": words_errors,
    "s3.rule.validation": checks_what_is_sent,
    "s3.rule.auth_dev": asks_for_tokens_where_something_changes,
    "s3.rule.ports": is_one_server,
    "s3.finbert.health": says_that_no_model_is_loaded,
}
