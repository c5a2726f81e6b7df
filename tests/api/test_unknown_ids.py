"""What is not there is a 404 that names the field of the body, or the part of the path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.api.recordings import LiveSource
from tests.api.worlds import World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXECUTION = {"symbol": "BTC_USDT", "side": "buy", "quantity": 1.0}


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/sessions/stop", {"session_id": "nosuch"}, "session_id"),
        ("POST", "/api/executions", EXECUTION | {"session_id": "nosuch"}, "session_id"),
        ("POST", "/api/sessions/nosuch/stop", {}, "session"),
        ("GET", "/api/executions?session_id=nosuch", None, "session_id"),
        ("GET", "/api/signals/nosuch-1", None, "id"),
        ("GET", "/api/instruments/999", None, "id"),
        ("PUT", "/api/instruments/999", {"price_step": 1.0}, "id"),
        ("DELETE", "/api/instruments/999", None, "id"),
    ],
)
async def test_what_is_not_there_is_named_as_the_request_has_it(
    seeded: World, method: str, path: str, body: Any, field: str
) -> None:
    """A 404 names the field of the body, or the part of the path."""
    answer = await seeded.client.request(method, path, json=body, headers=seeded.bearer("trader", csrf=True))
    assert (answer.status_code, answer.json()["field"]) == (404, field), answer.text


async def test_an_unknown_session_is_said_at_once(seeded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands nowhere on the tape is not waited for, and of a sequence nothing was asked."""

    async def waited(*_: object) -> int:
        raise AssertionError("there is nothing to wait for")

    monkeypatch.setattr(seeded.house.runner, "wait_until", waited)
    answer = await seeded.post("/sessions/stop", {"session_id": "nosuch"})
    assert (answer.status_code, answer.json()["message"]) == (404, "There is no session 'nosuch'."), answer.text


async def test_a_header_is_named_as_it_is_sent(seeded: World) -> None:
    """Not as the code calls it."""
    headers = seeded.bearer("trader", csrf=True) | {"Idempotency-Key": "k" * 200}
    answer = await seeded.client.post("/api/sessions", json={"mode": "collect"}, headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key"), answer.text
    assert answer.json()["message"].startswith("Idempotency-Key must have")


async def test_a_start_without_a_body_names_no_field(tmp_path: Path) -> None:
    """Of the default session nothing was asked: the message says what stands in its way."""
    async with world(tmp_path, engine=True) as made:
        await LiveSource(made.tape).open()
        await made.caught_up()
        euros = await made.client.put("/api/instruments/2", json={"quote": "EUR"}, headers=made.bearer())
        assert euros.status_code == 200, euros.text
        for path in ("/api/system/start", "/api/system/restart"):
            answer = await made.client.post(path, headers=made.bearer())
            assert (answer.status_code, answer.json()["field"]) == (400, None), answer.text
            assert "one account currency" in answer.json()["message"]
