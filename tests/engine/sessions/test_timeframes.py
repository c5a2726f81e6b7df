"""Sessions whose strategies decide on bars of a timeframe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.recordings.importing import Importer
from engine.research.verify import verify
from engine.sessions import runner as runners
from engine.sessions.plan import SessionWish, StrategyWish
from engine.sessions.source_bars import check_bars
from events.errors import InvalidInput
from events.facts import CommandAccepted, SessionLimits, StartSession
from events.rows import MARKET_DTYPE, MarketKind, Rows
from tests.engine.loop.kernels import NOISY
from tests.engine.sessions.memory_house import REGISTRY, MemoryHouse
from tests.engine.sessions.test_bars import BarFeed, bars
from tests.engine.sessions.test_bars import record as record_bars

LIMITS = SessionLimits(cash=10_000, global_cap=9_000, stop_loss_ratio=0.01, fill_ratio_max=0.0)
CROSS = StrategyWish(strategy="ema_cross", params={"fast": 2, "slow": 5})


def ticks() -> Rows:
    """Trades of two instruments, a few a minute."""
    noise = np.random.Generator(np.random.Philox(key=9))
    rows = np.zeros(12_000, MARKET_DTYPE)
    rows["ts_event_ns"] = 1_700_000_000_000_000_000 + np.cumsum(noise.exponential(6e9, len(rows))).astype(np.int64)
    rows["ts_received_ns"] = rows["ts_event_ns"]
    rows["price"] = np.round(100.0 + np.cumsum(noise.normal(0.0, 0.05, len(rows))), 2)
    rows["quantity"], rows["kind"] = 1.0, MarketKind.TRADE
    rows["instrument"] = noise.integers(0, 2, len(rows))
    return rows


@pytest.fixture
async def house(tmp_path: Path) -> MemoryHouse:
    """A house with nothing recorded."""
    found = MemoryHouse(tmp_path)
    await found.start()
    return found


@pytest.mark.parametrize("source", ["ticks", "bars"])
async def test_every_mode_decides_the_same_on_a_timeframe(
    house: MemoryHouse, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paper and backtest in steps of any length and a verification have one hash, another than on the rows."""
    recording = (await house.record(ticks())).recording.id if source == "ticks" else await record_bars(house)
    wishes = (msgspec.structs.replace(CROSS, timeframe="5m"), StrategyWish(strategy="mean_reversion"))
    wish = SessionWish(mode="paper", recording=recording, strategies=wishes, limits=LIMITS)
    hashes = []
    async with house.host():
        for mode, step in (("paper", 1_000), ("backtest", 131_072)):
            monkeypatch.setattr(runners, "STEP_ROWS_MAX", step)
            spec = await house.start_session(msgspec.structs.replace(wish, mode=mode))
            history = await house.ended(spec.session)
            assert history.ended is not None, history.failed
            assert history.ended.counts["signal"] > 20
            hashes.append(history.ended.decision_hash)
            verdict = await verify(house.tape, house.reader, house.decider, spec.session)
            assert verdict.equal, verdict.detail
        without = msgspec.structs.replace(wish, mode="backtest", strategies=(CROSS, wishes[1]))
        other = await house.ended((await house.start_session(without)).session)
    assert other.ended is not None
    assert hashes[0] == hashes[1] != other.ended.decision_hash


async def test_bars_that_no_longer_ones_can_be_made_of_are_refused(house: MemoryHouse) -> None:
    """Recorded bars of a minute make five, and an hour; of five they make no minute: the error says what there is."""
    recording = await record_bars(house)
    wish = SessionWish(mode="backtest", recording=recording, strategies=(CROSS,))
    for timeframe in ("", "1m", "5m", "1d"):
        strategies = (msgspec.structs.replace(CROSS, timeframe=timeframe),)
        spec = await house.plan(msgspec.structs.replace(wish, strategies=strategies))
        await check_bars(house.tape, spec, await house.library())
    five = bars()
    five["interval_ns"] *= 5
    importer = Importer(house.tape, house.clock, house.segments)
    longer = (await importer.run(BarFeed(five), "5a" * 16, "bars")).recording.id  # type: ignore[arg-type]
    strategies = (msgspec.structs.replace(CROSS, timeframe="1m"),)
    spec = await house.plan(msgspec.structs.replace(wish, recording=longer, strategies=strategies))
    with pytest.raises(InvalidInput, match=r"bars of 5m.*1m") as caught:
        await check_bars(house.tape, spec, await house.library())
    assert (caught.value.field, caught.value.code) == ("strategies[0].timeframe", "TIMEFRAME_TOO_SHORT")
    async with house.host():  # whoever starts it all the same
        assert isinstance(await house.send(StartSession(key="k", user="ann", spec=spec)), CommandAccepted)
        history = await house.ended(spec.session)
    assert history.failed is not None
    assert history.failed.code == "TIMEFRAME_TOO_SHORT"


async def test_a_crowd_of_seconds_has_no_timeframe(house: MemoryHouse) -> None:
    """A strategy that counts instants of seconds is refused bars that can never show so many, and taken with others."""
    recording = (await house.record(ticks())).recording.id

    async def planned(**given: Any) -> None:
        wish = StrategyWish(strategy="pump_v2", **given)
        await house.plan(SessionWish(mode="backtest", recording=recording, strategies=(wish,)))

    for given, why in (
        ({}, "arrivals_min is 18 instants in 5 s .surge_window_s., of which bars of that length give at most 1"),
        ({"arrivals_min": 3, "surge_window_s": 60}, "at most 2"),
        ({"arrivals_min": 1, "surge_window_s": 5, "base_window_s": 60}, ""),
    ):
        if not why:
            await planned(params=given, timeframe="1m")
            continue
        with pytest.raises(InvalidInput, match=why) as caught:
            await planned(params=given, timeframe="1m")
        assert caught.value.field == "strategies[0].timeframe"
    with pytest.raises(InvalidInput, match="shorter than a bar"):
        await planned(params={"arrivals_min": 1}, timeframe="4h")
    await planned()


async def test_kernels_of_quotes_have_no_timeframe(house: MemoryHouse) -> None:
    """Bars are made of trades: a strategy that decides on quotes and the book is told so."""
    house.strategies = {**REGISTRY, NOISY.id: NOISY}  # type: ignore[assignment]
    recording = (await house.record(ticks())).recording.id
    wish = StrategyWish(strategy="noisy", timeframe="1m")
    with pytest.raises(InvalidInput, match="decides on quotes") as caught:
        await house.plan(SessionWish(mode="backtest", recording=recording, strategies=(CROSS, wish)))
    assert caught.value.field == "strategies[1].timeframe"


async def test_recorded_bars_that_show_no_crowd_are_refused(house: MemoryHouse) -> None:
    """Recorded bars of a minute never show 18 instants in five seconds: said before it runs, and taken with others."""
    recording = await record_bars(house)
    pump, fits = StrategyWish(strategy="pump_v2"), {"arrivals_min": 1, "base_window_s": 3600}
    wish = SessionWish(mode="backtest", recording=recording, strategies=(CROSS, pump))
    with pytest.raises(InvalidInput, match=r"pump_v2 never signals on bars of 1m: .* at most 1") as caught:
        await check_bars(house.tape, await house.plan(wish), await house.library())
    assert (caught.value.field, caught.value.code) == ("strategies[1].strategy", "TIMEFRAME_TOO_LONG")
    grid = msgspec.structs.replace(wish, strategies=(pump,), grid=({"arrivals_min": 1},))
    fitting = msgspec.structs.replace(wish, strategies=(msgspec.structs.replace(pump, params=fits),))
    for taken in (grid, fitting):
        await check_bars(house.tape, await house.plan(taken), await house.library())
