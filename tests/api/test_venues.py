"""A symbol of which a second venue is registered: what has rows of one of them goes on as before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from api.services.library import Lookups
from api.settings import Settings, SourceSettings
from engine import catalogue
from engine.catalogue import InstrumentForm
from engine.sessions.plan import SessionWish, plan
from engine.sources.introducing import introduce
from engine.sources.source import Source
from events.clock import SystemClock
from events.errors import InvalidInput
from events.memory_tape import MemoryTape
from tests.api.recordings import LIVE, LiveSource, simulated_recording
from tests.api.worlds import World, code_hash, registry, until_state, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

PUMP: dict[str, Any] = {"strategy_config": {"strategies": ["pump_v2"]}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with a recorded hour and a live source, in which BTC_USDT was registered at a second venue since."""
    async with world(tmp_path_factory.mktemp("venues"), engine=True) as found:
        await simulated_recording(found.tape)
        await LiveSource(found.tape).open()
        await found.caught_up()
        second = await found.post("/api/instruments", {"symbol": "BTC_USDT", "exchange": "mexc"}, "admin")
        assert second.status_code == 200, second.text
        await found.caught_up()
        yield found


async def started(made: World, mode: str, symbol: str, **more: Any) -> list[dict[str, Any]]:
    """Start a session and stop it; the instruments that it traded."""
    body = {"session_type": mode, "symbols": [symbol], **more}
    answer = await made.post("/sessions/start", body)
    assert answer.status_code == 200, answer.text
    session = answer.json()["data"]["data"]["session_id"]
    await until_state(made, session, "running", "completed")
    await made.post("/sessions/stop", {"session_id": session})
    found: list[dict[str, Any]] = (await made.get(f"/api/sessions/{session}")).json()["spec"]["instruments"]
    return found


@pytest.mark.parametrize("symbol", ["BTC_USDT", "BTC_USDT@SIM"])
async def test_sessions_trade_the_instrument_that_their_source_has(made: World, symbol: str) -> None:
    """On a tail, a named one as well, and on a recording; with or without the venue."""
    recording = {"session_id": "rec_" + "a" * 16}
    for mode, config in (("paper", {}), ("paper", {"source": LIVE}), ("backtest", recording)):
        [one] = await started(made, mode, symbol, **PUMP, config=config)
        assert (one["symbol"], one["number"]) == ("BTC_USDT", 1)


async def test_the_panel_starts(made: World) -> None:
    """The default session has all symbols of the source, by their numbers."""
    begun = await made.post("/api/system/start", {}, "admin")
    assert begun.status_code == 200, begun.text
    await made.post("/api/system/stop", {}, "admin")


@pytest.mark.parametrize("config", [{}, {"source": LIVE}])
async def test_a_venue_that_the_source_has_not_is_refused(made: World, config: dict[str, Any]) -> None:
    """The other venue's instrument has no rows there."""
    body = {"session_type": "paper", "symbols": ["BTC_USDT@mexc"], **PUMP, "config": config}
    answer = await made.post("/sessions/start", body)
    assert (answer.status_code, answer.json()["field"]) == (400, "symbols")
    twice = await made.post("/sessions/start", body | {"symbols": ["BTC_USDT", "BTC_USDT@SIM"]})
    assert (twice.status_code, twice.json()["field"]) == (400, "symbols")


async def test_candles_are_of_the_venue_that_has_any(made: World) -> None:
    """Nothing of the second venue is recorded: nobody is asked which one is meant."""
    answer = await made.get("/api/market/data?symbol=BTC_USDT&timeframe=5m")
    assert answer.status_code == 200, answer.text
    assert len(answer.json()) > 10
    assert (await made.get("/api/market/data?symbol=BTC_USDT@mexc&timeframe=5m")).status_code == 404


async def test_a_configured_source_knows_its_instruments_before_it_runs(tmp_path: Path) -> None:
    """A house whose simulated source never ran starts a session on it, whichever venues have the symbol."""
    tape, clock = MemoryTape(clock=SystemClock()), SystemClock()
    await catalogue.register(tape, [InstrumentForm(symbol="BTC_USDT", venue="mexc", quote="USDT")])
    await introduce(tape, clock, [Source(id="sim", kind="simulated", symbols=("BTC_USDT", "ETH_USDT"))])
    sources = (SourceSettings(id="sim", kind="simulated", symbols=("BTC_USDT", "ETH_USDT")),)
    lookups = Lookups(Settings(data=str(tmp_path), sources=sources), registry(), code_hash)
    await lookups.start(tape)
    wish = SessionWish(mode="collect", symbols=("BTC_USDT",))
    [one] = plan(wish, "s", "ann", lookups.library()).instruments
    assert one.number == 2
    with pytest.raises(InvalidInput, match="No source has BTC_USDT@mexc"):
        plan(SessionWish(mode="collect", symbols=("BTC_USDT@mexc",)), "s", "ann", lookups.library())
    await lookups.close()
