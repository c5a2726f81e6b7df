"""Sessions over bars of two instruments: every mode decides the same, with commands between bars as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.feeds.feed import Description, NumberOf
from engine.research.verify import verify
from engine.sessions import runner as runners
from engine.sessions.plan import SessionWish, StrategyWish
from engine.sessions.runner import RunnerSettings
from events import codec, subjects
from events.facts import CommandAccepted, SessionLimits, StartSession, SubmitOrder
from events.rows import BAR_DTYPE, Rows, SectionKind
from tests.engine.sessions.memory_house import ArrayFeed, MemoryHouse

MINUTE_NS = 60_000_000_000
BARS = 3_000
LIMITS = SessionLimits(cash=10_000, global_cap=9_000, stop_loss_ratio=0.02, fill_ratio_max=0.5)
EMA = (StrategyWish(strategy="ema_cross", params={"fast": 4, "slow": 9}), StrategyWish(strategy="mean_reversion"))


class BarFeed(ArrayFeed):
    """Bars of two instruments, in order of opening; now and then one has none."""

    def survey(self) -> Description:
        """What the rows are."""
        return msgspec.structs.replace(super().survey(), kinds=("bar",), section="bar")

    def chunks(self, number: NumberOf) -> Iterator[Rows]:  # type: ignore[override]
        """All rows at once."""
        return super().chunks(number)  # type: ignore[return-value]


def bars() -> Rows:
    """Two walks, a minute a bar, with gaps."""
    chance = np.random.Generator(np.random.Philox(5))
    made = np.zeros(2 * BARS, BAR_DTYPE)
    made["instrument"] = np.tile([0, 1], BARS)
    made["ts_event_ns"] = 1_700_000_000_000_000_000 + np.repeat(np.arange(BARS), 2) * MINUTE_NS
    made["interval_ns"] = MINUTE_NS
    made["ts_received_ns"] = made["ts_event_ns"] + MINUTE_NS
    closes = 100 + np.cumsum(chance.normal(0, 0.3, (BARS, 2)), axis=0)
    opens = np.vstack([[100, 100], closes[:-1]])
    made["open"], made["close"] = np.round(opens, 2).reshape(-1), np.round(closes, 2).reshape(-1)
    made["high"] = np.maximum(made["open"], made["close"]) + np.round(chance.random(2 * BARS), 2)
    made["low"] = np.minimum(made["open"], made["close"]) - np.round(chance.random(2 * BARS), 2)
    made["volume"] = np.round(chance.lognormal(3, 1, 2 * BARS), 3)
    return made[chance.random(2 * BARS) < 0.9]


@pytest.fixture
async def house(tmp_path: Path) -> MemoryHouse:
    """A house with a recording of bars."""
    found = MemoryHouse(tmp_path)
    await found.start()
    return found


async def record(house: MemoryHouse) -> str:
    """The recording's id."""
    from engine.recordings.importing import Importer

    importer = Importer(house.tape, house.clock, house.segments)
    return (await importer.run(BarFeed(bars()), "ba" * 16, "bars")).recording.id  # type: ignore[arg-type]


async def test_every_mode_decides_the_same_over_bars(house: MemoryHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paper, backtest, steps of any length and a verification have one hash, and all bars are inputs."""
    recording = await record(house)
    hashes = set()
    async with house.host():
        for mode, step in (("paper", 131_072), ("backtest", 131_072), ("backtest", 7)):
            monkeypatch.setattr(runners, "STEP_ROWS_MAX", step)
            spec = await house.start_session(SessionWish(mode=mode, recording=recording, strategies=EMA, limits=LIMITS))
            history = await house.ended(spec.session)
            assert history.ended is not None, history.failed
            assert history.ended.inputs == 4 * len(bars())
            assert history.ended.counts["fill"] > 100
            hashes.add(history.ended.decision_hash)
            times = history.held.rows(SectionKind.MARK, 0)["ts_event_ns"]
            assert (np.diff(times) >= 0).all()
            verdict = await verify(house.tape, house.reader, house.decider, spec.session)
            assert verdict.equal, verdict.detail
    assert len(hashes) == 1


async def test_commands_between_bars_are_decided_again(house: MemoryHouse) -> None:
    """Orders by hand while bars come, an engine that dies in between: verification finds the same rows."""
    recording = await record(house)
    wish = SessionWish(mode="paper", recording=recording, strategies=EMA, limits=LIMITS, acceleration=40_000.0)
    spec = await house.plan(wish)
    settings = RunnerSettings(snapshot_rows=400, snapshot_messages=20, snapshot_seconds=0.05)
    start = StartSession(key="start", user="ann", spec=spec)
    await house.tape.append(codec.to_append(start, subjects.DESK_COMMANDS, "command:start"))
    for life in range(3):
        async with house.host(f"engine-{life}", settings):
            for number in range(4):
                order = SubmitOrder(
                    key=f"k{life}-{number}",
                    user="ann",
                    session=spec.session,
                    symbol=("AAA", "BBB")[number % 2],
                    side="buy" if number < 2 else "sell",
                    quantity=0.5,
                    kind="market",
                )
                assert isinstance(await house.send(order), CommandAccepted)
    async with house.host("last", settings):
        history = await house.ended(spec.session)
        assert history.ended is not None, history.failed
        assert len(history.scheduled) == 12
        verdict = await verify(house.tape, house.reader, house.decider, spec.session)
        assert verdict.equal, verdict.detail
        assert history.ended.inputs == 4 * len(bars())
