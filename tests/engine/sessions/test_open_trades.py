"""What is still held at the end is valued at the last price, not at the price it was bought at."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.research.outcome import outcome, prices
from engine.sessions.plan import SessionWish, StrategyWish
from events.facts import SessionLimits
from tests.engine.sessions.memory_house import MemoryHouse, walk

LIMITS = SessionLimits(cash=10_000, global_cap=10_000, fill_ratio_max=0.0)


@pytest.mark.parametrize("instruments", [1, 2])
async def test_an_open_trade_is_valued_at_the_last_price(instruments: int, tmp_path: Path) -> None:
    """The profits of all trades are what equity gained, those of open trades among them."""
    house = MemoryHouse(tmp_path)
    await house.start()
    rows = walk(5_000, instruments=instruments)
    recording = (await house.record(rows)).recording.id
    strategies = (StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),)
    async with house.host():
        spec = await house.start_session(
            SessionWish(mode="backtest", recording=recording, strategies=strategies, limits=LIMITS)
        )
        history = await house.ended(spec.session)
    assert history.ended is not None, history.failed
    found = outcome(history, await prices(history, house.reader))
    held = found.trades[found.trades["open"] == 1]
    assert len(held)
    assert found.trades["pnl"].sum() == pytest.approx(history.ended.equity - 10_000, abs=1e-6)
    assert not (found.trades["mae_ratio"] > 0).any()
    assert found.measurements.value("avg_mae") is not None
    if instruments == 1:
        assert outcome(history).trades["pnl"].sum() == pytest.approx(history.ended.equity - 10_000, abs=1e-6)
