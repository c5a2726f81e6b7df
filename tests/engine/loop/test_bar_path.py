"""Bars of several instruments run by time: no price is known before its hour, however the bars are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.loop.bar_path import BarPath
from engine.loop.decision_loop import DecisionLoop, HandOrder
from engine.loop.spec import LaneSpec, LoopSpec
from events.rows import BAR_BITS, MarketFlag, OrderKind, Rows, Side
from tests.engine.loop.driving import FREE, SECOND, START_NS, STRATEGIES, bar, limits, spec_of, terms

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
OPEN, NEAR, FAR, CLOSE = (
    int(flag) for flag in (MarketFlag.BAR_OPEN, MarketFlag.BAR_NEAR, MarketFlag.BAR_FAR, MarketFlag.BAR_CLOSE)
)


def one(instrument: int, opens: int, interval: int = MINUTE, price: float = 100.0) -> Rows:
    """A bar; times in ns behind the start."""
    made = bar(price, price + 2, price - 1, price + 1)
    made["instrument"], made["ts_event_ns"], made["interval_ns"] = instrument, START_NS + opens, interval
    made["ts_received_ns"] = made["ts_event_ns"] + interval
    return made


def bars(*made: Rows) -> Rows:
    """Several behind each other."""
    return np.concatenate(made)


def steps(rows: Rows) -> list[tuple[int, int]]:
    """(instrument, step) of each row."""
    return [(int(row["instrument"]), int(row["flags"]) & BAR_BITS) for row in rows]


def pair(**given: float) -> LoopSpec:
    """A session of two instruments with a scripted lane on each."""
    lanes = tuple(LaneSpec(strategy="scripted", instrument=place) for place in (0, 1))
    return spec_of(given=limits(**given) if given else FREE, instruments=(terms(0), terms(1)), lanes=lanes)


def taken(path: BarPath, made: Rows) -> Rows:
    """The rows that can be read with these bars."""
    return path.take(made, made["instrument"].astype(np.intp))[0]


def test_bars_of_one_opening_time_run_side_by_side() -> None:
    """Both opens, both nearer extremes, both others, both closes: nothing waits once every instrument has its bar."""
    path = BarPath(2)
    assert not len(taken(path, one(0, 0)))
    assert steps(taken(path, one(1, 0))) == [(at, step) for step in (OPEN, NEAR, FAR, CLOSE) for at in (0, 1)]
    assert path.waiting == 0


def test_an_instrument_that_is_silent_holds_nobody_up() -> None:
    """A bar that opens later lets every row before it be read."""
    path = BarPath(2)
    assert not len(taken(path, one(0, 0)))
    assert steps(taken(path, one(0, MINUTE))) == [(0, OPEN), (0, NEAR), (0, FAR), (0, CLOSE)]
    assert steps(path.rest()) == [(0, OPEN), (0, NEAR), (0, FAR), (0, CLOSE)]


def test_an_hour_closes_behind_its_minutes() -> None:
    """Bars of different intervals: each row at its own time."""
    path = BarPath(2)
    minutes = [one(1, at * MINUTE) for at in range(60)]
    rows = np.concatenate([taken(path, bars(one(0, 0, HOUR), *minutes)), path.rest()])
    assert (np.diff(rows["ts_event_ns"]) >= 0).all()
    assert sorted([steps(rows)[-1], steps(rows)[-2]]) == [(0, CLOSE), (1, CLOSE)]
    assert steps(rows)[:2] == [(0, OPEN), (1, OPEN)]


def test_one_instrument_never_waits() -> None:
    """Its rows are read with their own bar, also of intervals that overlap."""
    path = BarPath(1)
    assert len(taken(path, bars(one(0, 0, HOUR), one(0, MINUTE)))) == 8
    assert path.waiting == 0


def test_a_fill_at_an_open_stands_at_the_open() -> None:
    """The second instrument's order fills at its bar's open, at that time, and knows nothing of the first's close."""
    loop = DecisionLoop(pair(), STRATEGIES)
    loop.advance_bars(bars(one(0, 0), one(1, 0, price=50.0)))
    for lane, quantity in ((0, 5.0), (1, 1.0)):
        loop.submit(HandOrder(lane=loop.hand_lane(lane), side=Side.BUY, quantity=quantity, kind=OrderKind.MARKET))
    later = one(0, HOUR)
    later["high"] = later["close"] = 190.0
    found = loop.advance_bars(bars(later, one(1, HOUR, price=50.0)))
    assert [(int(fill["instrument"]), float(fill["price"])) for fill in found.fills] == [(0, 100.0), (1, 50.0)]
    assert set(found.fills["ts_event_ns"].tolist()) == {START_NS + HOUR}
    assert [float(mark["exposure"]) for mark in found.marks[:2]] == [500.0, 550.0]


BARS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from([MINUTE, 5 * MINUTE]), st.integers(90, 110)),
    min_size=1,
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(given=BARS, cuts=st.lists(st.integers(0, 40), max_size=6))
def test_bars_may_be_cut_anywhere(given: list[tuple[int, int, int, int]], cuts: list[int]) -> None:
    """However the bars are cut into calls, with a snapshot restored at each cut, all records and rows are the same."""
    opens, made = 0, []
    for instrument, step, interval, price in given:  # number 2 is not of the session
        opens += step * MINUTE
        made.append(one(instrument, opens, interval, float(price)))
    whole = bars(*made)
    script = [(call, {"kind": 1 + call % 3}) for call in range(1, 8)]

    def run(parts: list[Rows]) -> tuple[str, bytes]:
        loop, told = DecisionLoop(pair(equity_interval_ms=90_000), STRATEGIES), b""
        state = loop._memory.kernels[0]
        for lane in (0, 1):
            for place, (call, fields) in enumerate(script[: len(state[lane]["at"])]):
                state[lane]["at"][place], state[lane]["script"][place]["kind"] = call, fields["kind"]
        kinds: list[list[bytes]] = [[] for _ in range(5)]
        for part in parts:
            again = DecisionLoop(pair(equity_interval_ms=90_000), STRATEGIES)
            again.restore(loop.snapshot())
            loop = again
            for kept, rows in zip(kinds, loop.advance_bars(part).kinds(), strict=True):
                kept.append(rows.tobytes())
        for kept, rows in zip(kinds, loop.catch_up().kinds(), strict=True):
            kept.append(rows.tobytes())
        told = b"|".join(b"".join(kept) for kept in kinds)
        return loop.state_hash(), told

    assert run([whole]) == run(np.split(whole, sorted(min(cut, len(whole)) for cut in cuts)))
    assert run([whole]) == run([whole[at : at + 1] for at in range(len(whole))])


def test_too_many_open_bars_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars that never end do not fill the memory."""
    from engine.loop import bar_path
    from events.errors import LimitReached

    monkeypatch.setattr(bar_path, "WAITING_ROWS_MAX", 40)
    with pytest.raises(LimitReached, match="12 bars are open at once; the limit is 10"):
        taken(BarPath(2), bars(*[one(0, 0) for _ in range(12)]))
