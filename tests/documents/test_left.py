"""What is left for later: understood, checked and answered 501; lists are empty, no id is known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute

from tests.api.error_bodies import error_code
from tests.api.paths import filled
from tests.api.worlds import World, world
from tests.documents.left import left, left_whole
from tests.documents.shapes import inventory, misfits

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENTRIES = inventory("")
QUERY = {"symbol": "ETH_USDT", "timeframe": "1m"}
# a field that every body of these has, and a value that it cannot be
SPOILT: dict[str, tuple[str, Any]] = {
    "s1.models.train": ("timeframe", "7m"),
    "s2.training.start": ("epochs", 1001),
    "s3.infer.nbeats": ("horizon", 0),
    "s3.analyze": ("text", 7),
    "s3.finbert.predict": ("text", ""),
    "s3.training.start": ("symbol", ""),
    "s4.models.train": ("symbol", None),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house without a market: nothing of what is asked needs one."""
    if not ENTRIES:
        pytest.skip("no contracts here")
    async with world(tmp_path_factory.mktemp("left")) as found:
        yield found


async def ask(made: World, name: str, body: Any = None, user: str = "trader", **query: Any) -> httpx.Response:
    """The request of an entry as its contract has it, with another body or query where one is given."""
    entry = ENTRIES[name]
    needed = {one["name"] for one in entry["query"] if one["required"]}
    given = {key: value for key, value in QUERY.items() if key in needed} | query
    sent = body if body is not None else entry["request_example"]
    path = filled(entry["path_template"].replace(":id", "{id}"))
    return await made.client.request(
        entry["method"],
        path,
        params={key: value for key, value in given.items() if value is not None},
        json=sent,
        headers=made.bearer(user) if user else {},
    )


async def test_every_id_is_an_entry_of_the_inventory() -> None:
    """A slip in an id would leave an entry without its answer."""
    if not ENTRIES:
        pytest.skip("no contracts here")
    assert {name for rows in left().values() for name in rows} <= set(ENTRIES)
    assert len(left_whole()) == sum(len(rows) for how, rows in left().items() if how != "partly")


@pytest.mark.parametrize("name", left()["refused"])
async def test_refused(made: World, name: str) -> None:
    """Whoever asks as the contract says is answered 501 in its words; a wrong body is told first, a token before."""
    last = await made.last()
    answer = await ask(made, name)
    assert answer.status_code == 501, answer.text
    assert error_code(answer) == "LEARNING_NOT_AVAILABLE"
    if name in SPOILT:
        field, value = SPOILT[name]
        wrong = await ask(made, name, ENTRIES[name]["request_example"] | {field: value})
        assert field in wrong.text
    else:
        wrong = await ask(made, name, symbol=None)
    assert wrong.status_code == 400, wrong.text
    error_code(wrong)
    if ENTRIES[name]["auth"] == "jwt" and name != "s4.models.train":  # 001 has the same path open (C11)
        refused = await ask(made, name, user="")
        assert (refused.status_code, error_code(refused)) == (401, "UNAUTHENTICATED")
    assert await made.last() == last


@pytest.mark.parametrize("name", left()["empty"])
async def test_empty(made: World, name: str) -> None:
    """A list of what is not there yet is empty, in its contract's shape."""
    answer = await ask(made, name)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert misfits(body, ENTRIES[name]["response_shape"]) == []
    rows = body.get("data", body) if isinstance(body, dict) else body
    lists = [value for value in rows.values() if isinstance(value, list)] if isinstance(rows, dict) else [rows]
    assert lists == [[]]
    assert int(answer.headers["Tape-Sequence"]) >= 0


@pytest.mark.parametrize("name", [name for name in left()["unknown"] if ".rule." not in name])
async def test_unknown(made: World, name: str) -> None:
    """No id is known."""
    answer = await ask(made, name)
    assert answer.status_code == 404, answer.text
    documented = {one["code"] for one in ENTRIES[name]["errors"] if one["status"] == 404} - {None}
    assert error_code(answer) in (documented or {"NOT_FOUND"})


@pytest.mark.parametrize("directory", ["saved_models", ".%2Fsaved_models", "%2E%2Fsaved_models"])
async def test_folders_of_models_by_every_spelling(made: World, directory: str) -> None:
    """The documented `./saved_models` may be sent encoded or plain; both are folders that are not there (C23)."""
    for rest in ("", "/download"):
        answer = await made.get(f"/api/v1/models/{directory}{rest}")
        assert (answer.status_code, error_code(answer)) == (404, "MODEL_NOT_FOUND")
    for hostile in ("..%2F..%2Fetc%2Fpasswd", "%00", "a" * 300, ".%2F..%2Fx"):
        assert (await made.get(f"/api/v1/models/{hostile}")).status_code in (400, 404)


async def test_one_path_of_predictions_is_two(made: World) -> None:
    """Without a slash it is the history, but with symbol and timeframe a prediction; with a slash always that (C2)."""
    both = "symbol=ETH_USDT&timeframe=1m"
    for path, status in (
        ("/api/predictions", 200),
        ("/api/predictions?symbol=ETH_USDT", 200),
        (f"/api/predictions?{both}", 501),
        (f"/api/predictions/?{both}&auto_train=false&force_retrain=true", 501),
        ("/api/predictions/", 400),
        ("/api/predictions/?symbol=ETH_USDT", 400),
        ("/api/predictions/?timeframe=1m", 400),
    ):
        assert (await made.get(path)).status_code == status, path


async def test_literal_parts_of_paths_win(made: World) -> None:
    """`list`, `stream`, `train` and `deploy` are never taken for an id (C22)."""
    assert (await made.get("/api/predictions/list", "viewer")).json() == []
    assert (await made.get("/api/predictions/stream")).json()["field"] in ("symbol", "timeframe")
    for word in ("train", "deploy"):
        assert (await made.post(f"/api/models/{word}", {})).status_code == 400
        assert (await made.get(f"/api/models/{word}")).status_code in (404, 405)


async def test_both_forms_of_the_list_of_models_are_one(made: World) -> None:
    """With and without a slash (C3)."""
    assert (await made.get("/api/models")).json() == (await made.get("/api/models/")).json() == []


async def test_the_model_of_sentiment_says_that_it_is_not_loaded(made: World) -> None:
    """At the root, where its contract has it; the house's own health stays what it is (C5); an alias below (C18)."""
    assert (await made.get("/health")).json()["loaded"] is False
    assert "components" in (await made.get("/api/health")).json()
    assert (await made.post("/api/predict", {"text": "Earnings beat expectations"})).status_code == 501


async def test_exactly_these_answer_501(made: World) -> None:
    """The routes that say so are those of the file, those that a model's strategy is named in, and of live sessions."""
    learned = [name for name, why in left()["partly"].items() if "MLPredictive" in why]
    names = (*left()["refused"], *learned)
    expected = {(ENTRIES[name]["method"], ENTRIES[name]["path_template"].rstrip("/")) for name in names}
    declared = {
        (method, route.path_format)
        for route in made.app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if handler.opt.get("later")
    }
    assert declared == expected | {("POST", "/api/predict")}  # C18
    schema = (await made.get("/docs/openapi.json")).json()
    documented = {
        (method.upper(), path)
        for path, item in schema["paths"].items()
        for method, operation in item.items()
        if "501" in operation["responses"]
    }
    assert documented == declared | {
        ("POST", path) for path in ("/sessions/start", "/api/sessions", "/api/system/mode")
    }
