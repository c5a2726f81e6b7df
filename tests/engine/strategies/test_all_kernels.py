"""What holds for every kernel that is built in, on hostile rows and at the bounds of its parameters."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.loop.records import INTENTS_MAX
from engine.loop.source import inlined
from engine.strategies.registry import discover
from engine.strategies.strategy import Strategy
from events.rows import SignalKind
from tests.engine.strategies.driving import Drive, Trade, trades

STRATEGIES = tuple(discover().values())
each = pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.id)

# seconds since the row before: many at once, a burst, a lull, days
GAPS = st.one_of(st.just(0.0), st.floats(0.0, 0.5), st.floats(0.0, 120.0), st.floats(0.0, 400_000.0))
SCALES = st.sampled_from([1e-8, 1.0, 60_000.0, 1e9])
ROWS = st.lists(
    st.tuples(GAPS, st.floats(0.5, 2.0), st.one_of(st.just(0.0), st.floats(1e-8, 1e9))), min_size=1, max_size=80
)
# 0 the least, 1 the default, 2 the most; all at their least makes every kernel talk
PICKS = st.one_of(st.just([0] * 16), st.lists(st.sampled_from([0, 0, 1, 2]), min_size=16, max_size=16))


def stream(rows: list[Trade], scale: float) -> np.ndarray:
    """Market rows out of gaps, prices around 1 and quantities."""
    times = np.cumsum([gap for gap, _, _ in rows])
    return trades((float(at), scale * price, quantity) for at, (_, price, quantity) in zip(times, rows, strict=True))


def set_params(drive: Drive, strategy: Strategy, picks: list[int]) -> None:
    """Each parameter at its least, its default or its most, whatever the others are."""
    for parameter, pick in zip(strategy.parameters(), picks, strict=False):
        values = (parameter.minimum, parameter.default, parameter.maximum)
        drive.params[parameter.name] = values[pick] if values[pick] is not None else parameter.default


@each
@settings(max_examples=60, deadline=None)
@given(
    rows=ROWS,
    scale=SCALES,
    picks=PICKS,
    allowed=st.tuples(st.booleans(), st.booleans()),
    working=st.booleans(),
)
def test_whatever_comes_intents_are_few_and_finite(
    strategy: Strategy, rows: list[Trade], scale: float, picks: list[int], allowed: tuple[bool, bool], working: bool
) -> None:
    """At most INTENTS_MAX intents a row, each of a known kind, without a NaN, a bad price or a negative quantity."""
    drive = Drive(strategy)
    set_params(drive, strategy, picks)
    drive.lane["long_allowed"], drive.lane["short_allowed"] = allowed
    drive.lane["working"] = working
    said = drive.run(stream(rows, scale))
    intents = said["intent"]
    assert np.bincount(said["row"], minlength=1).max(initial=0) <= INTENTS_MAX
    assert np.isin(intents["kind"], [int(kind) for kind in SignalKind]).all()
    for name in ("price", "stop_price", "quantity", "strength"):
        assert np.isfinite(intents[name]).all(), name
    assert (intents["quantity"] >= 0.0).all()
    quotes = intents[intents["kind"] == SignalKind.QUOTE]
    assert (quotes["price"] > 0.0).all()
    assert (quotes["quantity"] > 0.0).all()


@each
@settings(max_examples=15, deadline=None)
@given(rows=ROWS, scale=SCALES, picks=PICKS)
def test_compiled_and_plain_python_say_the_same(
    strategy: Strategy, rows: list[Trade], scale: float, picks: list[int]
) -> None:
    """What a session decides compiled is what the plain-Python twin decides, intents and state alike."""
    compiled, twin = Drive(strategy), Drive(strategy, compiled=False)
    for drive in (compiled, twin):
        set_params(drive, strategy, picks)
    market = stream(rows, scale)
    assert compiled.run(market).tobytes() == twin.run(market).tobytes()
    assert compiled.state.tobytes() == twin.state.tobytes()


@each
@settings(max_examples=25, deadline=None)
@given(rows=ROWS, cuts=st.lists(st.integers(0, 80), max_size=5), picks=PICKS)
def test_cut_anywhere_and_restored_from_bytes_it_says_the_same(
    strategy: Strategy, rows: list[Trade], cuts: list[int], picks: list[int]
) -> None:
    """A session cut into pieces, each restored from the bytes of the one before, decides as the uncut one."""
    market = stream(rows, 1.0)
    whole, pieces = Drive(strategy), Drive(strategy)
    for drive in (whole, pieces):
        set_params(drive, strategy, picks)
    want = whole.run(market)
    got = []
    ends = sorted({min(cut, len(market)) for cut in cuts} | {0, len(market)})
    for begin, end in pairwise(ends):
        pieces.state = np.frombuffer(bytearray(pieces.state.tobytes()), strategy.state)
        part = pieces.run(market[begin:end])
        part["row"] += begin
        got.append(part)
    assert np.concatenate(got).tobytes() == want.tobytes()
    assert pieces.state.tobytes() == whole.state.tobytes()


@each
@pytest.mark.parametrize("ahead", [1, 7])
def test_no_kernel_looks_ahead(strategy: Strategy, ahead: int) -> None:
    """What is said up to a row does not change with the rows after it."""
    noise = np.random.Generator(np.random.Philox(key=5))
    rows = [(0.2, float(price), 1.0) for price in np.exp(np.cumsum(noise.normal(0.0, 0.004, 3000)))]
    market = stream(rows, 100.0)
    other = market.copy()
    other["price"][-ahead:] *= 3.0
    said = [Drive(strategy).run(each_market) for each_market in (market, other)]
    known = [one[one["row"] < len(market) - ahead].tobytes() for one in said]
    assert known[0] == known[1]


@each
def test_a_kernel_can_be_inlined_into_a_loop(strategy: Strategy) -> None:
    """It uses nothing that a generated loop refuses: no objects, errors, clock or files."""
    assert "def kernel(row, market, lane, state, params, intents)" in inlined([strategy.kernel])


@each
def test_a_strategy_is_described(strategy: Strategy) -> None:
    """Name, description, category and tags are there, and every parameter has bounds, a default within and a unit."""
    assert strategy.name
    assert strategy.description
    assert strategy.category
    assert strategy.tags
    units = ("rows", "ratio", "seconds", "count", "times", "deviations", "quote currency", "orders of one level")
    for parameter in strategy.parameters():
        assert parameter.minimum is not None, parameter.name
        assert parameter.maximum is not None, parameter.name
        assert parameter.minimum <= parameter.default <= parameter.maximum
        assert parameter.description.endswith(units), f"{parameter.name}: {parameter.description}"


def test_the_built_in_strategies() -> None:
    """Contract 000's two by their names and words, and the classics."""
    known = {strategy.id: strategy for strategy in STRATEGIES}
    assert set(known) >= {"breakout", "dump_v2", "ema_cross", "grid", "mean_reversion", "pump_v2"}
    pump, dump = known["pump_v2"], known["dump_v2"]
    assert pump.name == "Pump Detection v2"
    assert pump.description == "Rise of the time-weighted average price with a volume surge that many orders make"
    assert (pump.direction, pump.category, pump.tags) == ("long", "momentum", ("pump", "velocity"))
    assert (dump.direction, dump.category, dump.tags) == ("short", "momentum", ("dump", "velocity"))
