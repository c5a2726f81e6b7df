"""Contract 002, the configuration: read, changed key by key, checked, and kept as templates."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from events.clock import iso
from tests.api.worlds import World
from tests.documents.shapes import inventory, misfits

ENTRIES = inventory("s2.")
PATH = "/api/v1/config"


async def put(made: World, body: Any, **headers: str) -> httpx.Response:
    """Change the configuration, without a token."""
    return await made.client.put(PATH, json=body, headers=headers)


async def whole(made: World) -> dict[str, Any]:
    """The configuration as it is read."""
    answer = await made.get(PATH)
    assert answer.status_code == 200, answer.text
    assert misfits(answer.json(), ENTRIES["s2.config.get"]["response_shape"]) == []
    found: dict[str, Any] = answer.json()["data"]
    return found


async def gives_all(made: World) -> None:
    """Every section and key of the contract, with its defaults before anything was changed, as of any moment."""
    documented = ENTRIES["s2.config.get"]["response_example"]["data"]
    found = await whole(made)
    assert {name: set(keys) for name, keys in found.items()} == {name: set(keys) for name, keys in documented.items()}
    assert (await made.get(f"{PATH}?as_of=1")).json()["data"] == documented
    assert found["ppo"]["gaeambda"] is not None
    assert (await made.get(PATH)).json()["meta"]["requestId"]


async def merges_changes(made: World) -> None:
    """What a body names is set and the rest left; once under one key; as of before it is as it was."""
    before, then = await whole(made), await made.last()
    answer = await put(made, {"transformer": {"epochs": 200, "learningRate": 5e-05}}, **{"Idempotency-Key": "c-1"})
    assert answer.status_code == 200, answer.text
    assert misfits(answer.json(), ENTRIES["s2.config.put"]["response_shape"]) == []
    expected = before | {"transformer": before["transformer"] | {"epochs": 200, "learningRate": 5e-05}}
    assert answer.json()["data"] == {"updated": True, "config": expected}
    assert await whole(made) == expected
    assert (await made.get(f"{PATH}?as_of={then}")).json()["data"] == before
    assert (await put(made, {"transformer": {"epochs": 200}})).json()["data"]["updated"] is False
    await put(made, {"transformer": {"epochs": 100}})
    again = await put(made, {"transformer": {"epochs": 200, "learningRate": 5e-05}}, **{"Idempotency-Key": "c-1"})
    assert again.json()["data"]["updated"] is True
    assert (await whole(made))["transformer"]["epochs"] == 100, "a repeat does nothing"
    await _refuses(made)


async def _refuses(made: World) -> None:
    """All wrong fields at once by dotted name; nothing is appended."""
    before, last = await whole(made), await made.last()
    wrong = {"transformer": {"epochs": -1, "dropout": 2}, "ppo": {"gaelambda": 0.9}, "broker": {}, "risk": 3}
    answer = await put(made, wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
    assert set(answer.json()["error"]["details"]) == {
        "transformer.epochs", "transformer.dropout", "ppo.gaelambda", "broker", "risk",
    }  # fmt: skip
    for body, field in (
        ({"transformer": {"nHeads": 7}}, "transformer.nHeads"),
        ({"data": {"symbols": []}}, "data.symbols"),
        ({"data": {"primaryTimeframe": "7m"}}, "data.primaryTimeframe"),
        ({"backtest": {"leverage": 0.5}}, "backtest.leverage"),
    ):
        refused = await put(made, body)
        assert (refused.status_code, list(refused.json()["error"]["details"])) == (400, [field]), refused.text
    worded = (await put(made, {"data": {"symbols": ["E U"]}})).json()["error"]["details"]["data.symbols"][0]
    assert worded.startswith("Must be a symbol such as EURUSD or BTC/USDT: 1 to 64 letters")
    for content in (b"[]", b"null", b"{", b'{"ppo":{"gamma":NaN}}', b'{"ppo":{"gamma":1e999}}'):
        junk = await made.client.put(PATH, content=content, headers={"Content-Type": "application/json"})
        assert junk.status_code == 400, content
    assert (await whole(made), await made.last()) == (before, last)


async def lists_templates(made: World) -> None:
    """Two are there from the start; each can be read and taken over as a change."""
    answer = await made.get(f"{PATH}/templates")
    assert misfits(answer.json(), ENTRIES["s2.config.templates"]["response_shape"]) == []
    assert [one["id"] for one in answer.json()["data"]["templates"]][:2] == ["quick-test", "production"]
    made_at = iso((await made.tape.info()).created_ns)[:19]
    assert {one["createdAt"][:19] for one in answer.json()["data"]["templates"][:2]} == {made_at}
    page = (await made.get(f"{PATH}/templates?limit=1&offset=1")).json()
    assert [one["id"] for one in page["data"]["templates"]] == ["production"]
    assert page["pagination"]["total"] >= 2
    for name in ("quick-test", "production"):
        template = (await made.get(f"{PATH}/templates/{name}")).json()["data"]
        checked = await made.post(f"{PATH}/validate", template["config"])
        assert checked.json()["data"]["valid"] is True
        assert checked.json()["data"]["config"]["transformer"]["epochs"] == template["config"]["transformer"]["epochs"]
    assert (await made.get(f"{PATH}/templates/nosuch")).status_code == 404


async def _removes(made: World, path: str) -> None:
    """A template is forgotten once, is there as of before, and its removal repeats under its key."""
    before, key = await made.last(), {"Idempotency-Key": "t-removed"}
    gone = await made.client.delete(path, headers=key)
    assert (gone.status_code, gone.json()["data"]["removed"]) == (200, True)
    assert (await made.get(path)).status_code == 404
    assert (await made.get(f"{path}?as_of={before}")).status_code == 200
    assert (await made.client.delete(path, headers=key)).json() == gone.json()
    assert (await made.client.delete(path)).status_code == 404


async def saves_templates(made: World) -> None:
    """Kept under an id made of its name, once under one key; two of one name are two; wrong values are refused."""
    body = {"name": "My Config", "description": "of my own", "config": {"transformer": {"epochs": 50}}}
    path, key = f"{PATH}/templates", {"Idempotency-Key": "t-1"}
    first = await made.client.post(path, json=body, headers=key)
    again = await made.client.post(path, json=body, headers=key)
    other = await made.client.post(path, json=body)
    assert first.status_code == again.status_code == other.status_code == 201, first.text
    assert misfits(first.json(), ENTRIES["s2.config.templates.create"]["response_shape"]) == []
    assert first.json()["data"] == again.json()["data"] != other.json()["data"]
    ident = first.json()["data"]["id"]
    assert ident.startswith("my-config-")
    kept = (await made.get(f"{path}/{ident}")).json()["data"]
    assert (kept["config"], kept["description"]) == (body["config"], "of my own")
    assert ident in [one["id"] for one in (await made.get(path)).json()["data"]["templates"]]
    await _removes(made, f"{path}/{ident}")
    assert (await made.client.delete(f"{path}/production")).status_code == 409
    last = await made.last()
    for change, field in (
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"config": {"ppo": {"gamma": 2}}}, "config.ppo.gamma"),
        ({"config": []}, "config"),
        ({"surely_unknown": 1}, "surely_unknown"),
    ):
        wrong = await made.client.post(path, json=body | change)
        assert wrong.status_code == 400
        assert field in wrong.json()["error"]["details"], wrong.text
    assert await made.last() == last


async def checks_changes(made: World) -> None:
    """The contract's failing answer word for word, and the configuration as it would be for a good one."""
    entry, last = ENTRIES["s2.config.validate"], await made.last()
    failed = await made.client.post(f"{PATH}/validate", json=entry["request_example"])
    assert failed.status_code == 400
    assert misfits(failed.json(), entry["response_shape"]) == []
    assert failed.json()["error"]["details"] == entry["response_example"]["error"]["details"]
    good = await made.client.post(f"{PATH}/validate", json={"transformer": {"epochs": 7}})
    assert good.status_code == 200
    assert good.json()["data"]["config"]["transformer"]["epochs"] == 7
    assert (await made.last(), (await whole(made))["transformer"]["epochs"] == 7) == (last, False)


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s2.config.get": gives_all,
    "s2.config.put": merges_changes,
    "s2.config.templates": lists_templates,
    "s2.config.templates.create": saves_templates,
    "s2.config.validate": checks_changes,
}
