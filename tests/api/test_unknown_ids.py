"""What is not there is a 404 that names the field of the body, or the part of the path."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.worlds import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXECUTION = {"symbol": "BTC_USDT", "side": "buy", "quantity": 1.0}


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/sessions/stop", {"session_id": "nosuch"}, "session_id"),
        ("POST", "/api/executions", EXECUTION | {"session_id": "nosuch"}, "session_id"),
        ("POST", "/api/sessions/nosuch/stop", {}, "session"),
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
