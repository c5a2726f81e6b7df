"""The portfolio of sessions that are paced over a recording of bars, which are somewhere in the middle of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
import pytest_asyncio

from engine.feeds.feed import Description, NumberOf, cut
from engine.recordings.importing import Importer
from events import subjects
from events.clock import SystemClock, from_iso
from events.errors import ReadModelUnavailable
from events.rows import BAR_DTYPE, Rows
from tests.api.worlds import World, until_state, world
from tests.engine.sessions.memory_house import ArrayFeed

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE_NS = 60_000_000_000
START_NS = 1_700_000_000_000_000_000 // MINUTE_NS * MINUTE_NS
BARS = 4_000
SYMBOLS = ("AAA", "BBB")
CASH = 10_000.0
POLLS = 4
_ONE = ("quantity",)


class BarFeed(ArrayFeed):
    """Bars of two instruments, a minute each."""

    def survey(self) -> Description:
        """What the rows are."""
        return msgspec.structs.replace(super().survey(), kinds=("bar",), section="bar")

    def chunks(self, number: NumberOf) -> Iterator[Rows]:  # type: ignore[override]
        """A thousand at a time."""
        return cut(next(iter(super().chunks(number))), 1_000)


def bars() -> Rows:
    """Two prices that climb from bar to bar as they swing: no two moments look alike."""
    at = np.arange(BARS)
    made = np.zeros(2 * BARS, BAR_DTYPE)
    for place in range(2):
        part = made[place::2]
        path = (100 + at * 0.01 + 5 * np.sin(at / 40.0 + place)) * (1 + place)
        part["instrument"], part["interval_ns"], part["volume"] = place, MINUTE_NS, 1e6
        part["ts_event_ns"] = START_NS + at * MINUTE_NS
        part["ts_received_ns"] = part["ts_event_ns"] + MINUTE_NS
        part["open"], part["close"] = np.round(path, 2), np.round(np.append(path[1:], path[-1]), 2)
        part["high"] = np.maximum(part["open"], part["close"]) + 0.02
        part["low"] = np.minimum(part["open"], part["close"]) - 0.02
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with an engine and a recording."""
    async with world(tmp_path_factory.mktemp("recorded"), engine=True) as found:
        yield found


async def start(made: World, recording: str, symbols: tuple[str, ...], fast: int) -> str:
    """A session that would be through with the recording after half a minute; it nearly always holds something."""
    own = {"strategy": "ema_cross", "params": {"fast": fast, "slow": 3 * fast}}
    body = {"mode": "paper", "recording": recording, "acceleration": 8_000, "symbols": symbols, "strategies": [own]}
    answer = await made.post("/api/sessions", {**body, "limits": {"cash": CASH, "global_cap": CASH}})
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["session"]
    await until_state(made, found, "running")
    return found


async def as_of(made: World, path: str, sequence: int) -> Any:
    """What a route says as of a sequence."""
    return (await made.get(f"{path}?as_of={sequence}")).json()


async def equities(made: World, sessions: list[str], sequence: int) -> list[float]:
    """What sessions say of themselves."""
    found = [(await as_of(made, f"/api/sessions/{one}", sequence))["session"] for one in sessions]
    return [CASH if one["equity"] is None else one["equity"] for one in found]


async def test_a_paced_session_is_not_priced_from_the_future(made: World) -> None:
    """At every poll the portfolio is worth what its sessions say, and each price is one of the bar of its time."""
    imported = await Importer(made.tape, SystemClock()).run(BarFeed(bars(), symbols=SYMBOLS), "b" * 32, "bars", "file")
    source = imported.recording.opened.source
    messages = await made.tape.page(1, subjects=(subjects.market(source),), limit=10)
    assert len(messages.messages) > 1, "the recording is one of several messages"
    await made.caught_up()
    name = imported.recording.id
    sessions = [await start(made, name, SYMBOLS[:1], 20), await start(made, name, SYMBOLS, 30)]
    seen: dict[int, Any] = {}
    while len(seen) < POLLS:
        await asyncio.sleep(0.1)
        at = await made.caught_up()
        found = await as_of(made, "/portfolio", at)
        own = await equities(made, sessions, at)
        assert found["total_value"] == pytest.approx(sum(own), rel=1e-12)
        assert found["total_pnl"] == pytest.approx(sum(own) - 2 * CASH, abs=1e-9)
        if len(found["positions"]) == 3:
            seen[at] = found
            check(found)
            held = (await as_of(made, "/mcp/get_holdings", at))["holdings"]
            assert [one["last_price"] for one in held] == [one["current_price"] for one in found["positions"]]
    for session in sessions:
        assert (await made.post("/sessions/stop", {"session_id": session})).status_code == 200
        await until_state(made, session, "stopped")
    for at, found in seen.items():
        assert await as_of(made, "/portfolio", at) == found, "what was then does not change later"
    await without_the_store(made, list(seen)[-1], seen)
    await in_steps(made, sessions)


async def in_steps(made: World, sessions: list[str]) -> None:
    """Quantities are whole steps of 0.001 to the last digit, wherever they are told."""
    told: list[float] = []
    for path, names in (("fills", ("quantity", "position")), ("orders", ("quantity", "filled")), ("positions", _ONE)):
        for one in sessions:
            rows = (await made.get(f"/api/sessions/{one}/{path}?limit=500")).json()["rows"]
            told += [row[name] for row in rows for name in names]
    told += [one["quantity"] for one in (await made.get("/api/executions?limit=100")).json()["executions"]]
    assert len(told) > 20
    assert [one for one in told if one != round(one, 3)] == []


def check(found: dict[str, Any]) -> None:
    """Whether cash and positions are the total, and prices are those of the bars of their times."""
    signs = {"long": 1.0, "short": -1.0}
    held = sum(signs[one["side"]] * one["quantity"] * one["current_price"] for one in found["positions"])
    assert found["total_value"] == pytest.approx(found["cash"] + held, rel=1e-12)
    rows = bars()
    for one in found["positions"]:
        at = (from_iso(one["price_time"]) - START_NS) // MINUTE_NS
        near = rows[SYMBOLS.index(one["symbol"]) :: 2][max(at - 1, 0) : at + 1]
        prices = [near[name] for name in ("open", "high", "low", "close")]
        assert np.min(np.abs(np.array(prices) - one["current_price"])) < 1e-9, one
        assert one["reason"] is None
        assert one["pnl"] == pytest.approx(
            signs[one["side"]] * one["quantity"] * (one["current_price"] - one["entry_price"])
        )


async def without_the_store(made: World, at: int, seen: dict[int, Any]) -> None:
    """While the market store is away the total is the same, and a price that is older says so."""

    async def away(*_: object) -> None:
        raise ReadModelUnavailable("It is being started.")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("prices", "ticks", "bars"):
            patch.setattr(made.house.market, name, away)
        found = await as_of(made, "/portfolio", at)
    assert found["total_value"] == seen[at]["total_value"]
    one, *two = found["positions"]
    assert one == seen[at]["positions"][0]
    for old, new in zip(seen[at]["positions"][1:], two, strict=True):
        assert new["reason"].startswith("The market store gave no answer: It is being started.")
        assert new["price_time"] <= old["price_time"]
