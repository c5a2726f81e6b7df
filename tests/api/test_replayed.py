"""Which recording a replay of so many bars takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from engine.feeds.simulated import SimulatedInstrument, SimulatedMarket
from tests.api.recordings import simulated_recording
from tests.api.worlds import World, world
from tests.documents.cases_002_backtests import result

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYMBOL = "REPLAYED"
LONG_DAYS = 20
BODY = {"symbol": SYMBOL, "timeframe": "1h", "bars": 300, "params": {"fast": 10, "slow": 40}}


def market(days: float, venue: str = "SIM", start_day: int = 0) -> SimulatedMarket:
    """A quiet market of some days."""
    only = SimulatedInstrument(symbol=SYMBOL, price=10.0, trades_per_second=0.005)
    start_ns = 1_700_000_000_000_000_000 + start_day * 86_400 * 1_000_000_000
    return SimulatedMarket(instruments=(only,), seed=4, duration_s=int(days * 86_400), start_ns=start_ns, venue=venue)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Some weeks of a symbol, and then an hour of it."""
    async with world(tmp_path_factory.mktemp("replayed"), engine=True) as found:
        await simulated_recording(found.tape, market(LONG_DAYS), "1" * 32)
        await simulated_recording(found.tape, market(1 / 24, start_day=30), "2" * 32)
        await found.caught_up()
        yield found


async def came_to(made: World, **changes: Any) -> dict[str, Any]:
    """What a backtest replayed."""
    answer = await made.client.post("/api/v1/backtest/run", json=BODY | changes)
    assert answer.status_code == 201, answer.text
    return await result(made, answer.json()["data"]["jobId"])


async def test_the_recording_that_holds_the_bars_is_replayed(made: World) -> None:
    """An hour that was imported later is not taken for 300 hours; named it is, and more than there are is the most."""
    weeks, hour = "rec_" + "1" * 16, "rec_" + "2" * 16
    found = await came_to(made)
    assert found["recording"].startswith(weeks)
    assert "2023-11-20" < found["dataStart"] < found["dataEnd"] < "2023-12-05"
    assert (await came_to(made, bars=50_000))["recording"].startswith(weeks)
    assert (await came_to(made, bars=1))["recording"].startswith(hour)
    named = await came_to(made, recording=hour)
    assert named["recording"].startswith(hour)
    assert named["dataStart"] >= "2023-12-14"
    wrong = await made.client.post("/api/v1/backtest/run", json=BODY | {"recording": "nosuch"})
    assert (wrong.status_code, "recording" in wrong.text) == (400, True)


async def test_symbols_of_two_venues_are_told_apart(made: World) -> None:
    """By the venue that is named; else it is of the one whose recording holds the bars, of both the newer one."""
    await simulated_recording(made.tape, market(LONG_DAYS, "OTHER"), "3" * 32)
    await made.caught_up()
    assert (await came_to(made))["recording"].startswith("rec_" + "3" * 16)
    assert (await came_to(made, bars=1))["recording"].startswith("rec_" + "3" * 16)
    assert (await came_to(made, symbol=f"{SYMBOL}@OTHER"))["recording"].startswith("rec_" + "3" * 16)
    assert (await came_to(made, symbol=f"{SYMBOL}@SIM"))["recording"].startswith("rec_" + "1" * 16)
    nowhere = await made.client.post("/api/v1/backtest/run", json=BODY | {"symbol": f"{SYMBOL}@NOWHERE"})
    assert (nowhere.status_code, f"{SYMBOL}@OTHER" in nowhere.text) == (400, True)


async def test_a_symbol_is_found_as_others_write_it(made: World) -> None:
    """What parts a symbol and small letters do not matter where nothing recorded has that very symbol."""
    glued = SYMBOL.replace("_", "").lower()
    found = await came_to(made, symbol=f"{glued}@SIM", bars=1)
    assert found["recording"].startswith("rec_" + "2" * 16)
    wrong = await made.client.post("/api/v1/backtest/run", json=BODY | {"symbol": glued + "x"})
    assert (wrong.status_code, SYMBOL in wrong.text) == (400, True)
