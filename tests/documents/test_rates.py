"""The rules of rates: each documented limit is driven to 429 and back, in houses with the limits as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from api.settings import ApiSettings, LimitsSettings
from tests.api.limited import Later, messages_reach_their_end, reaches_its_end
from tests.api.worlds import PASSWORD, World, world
from tests.documents.shapes import inventory

ENTRIES = inventory("")
LIMITS = LimitsSettings()
STARTS = {name: one for name, one in ENTRIES.items() if name.startswith("s2.rule.rate.") and one["path"]}

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not ENTRIES, reason="no contracts here"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def near(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house on loopback."""
    async with world(tmp_path_factory.mktemp("near"), limits=LIMITS) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def far(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house that other machines reach."""
    async with world(tmp_path_factory.mktemp("far"), api=ApiSettings(host="0.0.0.0"), limits=LIMITS) as found:
        yield found


@pytest.mark.parametrize("entry", STARTS)
async def test_limits_of_002(near: World, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    """As many a minute as the table of the document says, of a wrong request as of a good one."""
    rule = STARTS[entry]
    clock = Later()
    monkeypatch.setattr(near.house.counters, "_clock", clock)
    body: dict[str, Any] = {"json": {}} if rule["method"] != "GET" else {}

    async def ask() -> httpx.Response:
        return await near.client.request(rule["method"], rule["path"], **body)

    await reaches_its_end(clock, ask, rule["limit"], rule["per_seconds"])


async def test_messages_of_002(near: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many messages of a socket as the document says."""
    rule = ENTRIES["s2.rule.rate.ws"]
    assert rule["per_seconds"] == 1
    clock = Later(still=True)
    monkeypatch.setattr(near.house.counters, "_clock", clock)
    await messages_reach_their_end(near, clock, rule["limit"])


async def test_signals_and_sockets_of_003(far: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals a thousand a second and caller where other machines reach them (C14), messages as everywhere."""
    clock = Later(still=True)
    monkeypatch.setattr(far.house.counters, "_clock", clock)
    headers = far.bearer("viewer")

    async def ask() -> httpx.Response:
        return await far.client.get("/api/signals?limit=1", headers=headers)

    await reaches_its_end(clock, ask, LIMITS.per_second, 1)
    assert (await far.get("/api/signals?limit=1", "trader")).status_code == 200


async def test_logins_of_004(near: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten tries to log in a minute and address, the right password among them."""
    clock = Later()
    monkeypatch.setattr(near.house.counters, "_clock", clock)

    async def ask() -> httpx.Response:
        return await near.client.post("/api/auth/login", json={"username": "trader", "password": "a wrong one"})

    await reaches_its_end(clock, ask, 10, 60)
    for _ in range(10):
        await ask()
    right = {"username": "trader", "password": PASSWORD}
    assert (await near.client.post("/api/auth/login", json=right)).status_code == 429


CASES = {
    **dict.fromkeys(STARTS, test_limits_of_002),
    "s2.rule.rate.ws": test_messages_of_002,
    "s3.rule.rate_limit": test_signals_and_sockets_of_003,
    "s4.rule.rate_limit": test_logins_of_004,
}
