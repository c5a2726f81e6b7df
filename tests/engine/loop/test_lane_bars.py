"""Bars that the loop makes for lanes with an interval."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl

from engine.loop.decision_loop import DecisionLoop
from engine.loop.module import code_hash_of
from engine.loop.spec import INTERVAL_MAX, LaneSpec, LoopSpec
from engine.strategies import ema_cross
from events.rows import BAR_DTYPE, MARKET_DTYPE, MarketFlag, MarketKind, Rows
from tests.engine.loop.crowd import STRATEGIES, crowd, outcome, spec
from tests.engine.loop.driving import SECOND, START_NS, bid, limits, market, plain_loop, terms, trade
from tests.engine.loop.kernels import SEEING

MINUTE = 60 * SECOND
BEGUN = START_NS // MINUTE * MINUTE  # the minute of the first row, which is 20 s within it
REGISTRY = {ema_cross.STRATEGY.id: ema_cross.STRATEGY, SEEING.id: SEEING}


def spec_of(interval_ns: int, strategy: str = "seeing", **fields: object) -> LoopSpec:
    """One lane on one instrument."""
    lane = LaneSpec(strategy=strategy, instrument=0, interval_ns=interval_ns)
    return LoopSpec(**{"instruments": (terms(),), "lanes": (lane,), "limits": limits(), **fields})  # type: ignore[arg-type]


def seeing(spec: LoopSpec) -> DecisionLoop:
    """A loop of the kernel that writes down what it sees, in plain Python: few rows need no compiler."""
    return DecisionLoop(spec, REGISTRY, loop=plain_loop([SEEING], intervals=True))


def seen(loop: DecisionLoop) -> list[tuple[float, ...]]:
    """What the kernel of the only lane was called with."""
    state = loop._memory.kernels[0][0]
    return [tuple(float(x) for x in call) for call in state["seen"][: state["calls"]]]


def ticks(count: int, seed: int) -> Rows:
    """Trades as a market has them: bursts, silences of minutes, equal times, prices in cents."""
    noise = np.random.Generator(np.random.Philox(key=seed))
    rows = np.zeros(count, MARKET_DTYPE)
    gaps = noise.exponential(1.0, count) * noise.choice([0.0, 1.0, 8.0, 200.0], count, p=[0.2, 0.6, 0.19, 0.01])
    rows["ts_event_ns"] = rows["ts_received_ns"] = START_NS + np.cumsum((gaps * SECOND).astype(np.int64))
    rows["price"] = np.round(100.0 + np.cumsum(noise.normal(0.0, 0.02, count)), 2)
    rows["quantity"] = noise.integers(0, 9, count) * 0.5
    rows["kind"] = MarketKind.TRADE
    return rows


def minute_bars(count: int, seed: int) -> Rows:
    """Bars of a minute, some missing, some without volume."""
    noise = np.random.Generator(np.random.Philox(key=seed))
    bars = np.zeros(count, BAR_DTYPE)
    bars["ts_event_ns"] = BEGUN + np.cumsum(noise.choice([1, 1, 1, 1, 3], count)) * MINUTE
    bars["ts_received_ns"] = bars["ts_event_ns"] + MINUTE
    path = 100.0 + np.cumsum(noise.normal(0.0, 0.1, (count, 4)).ravel()).reshape(count, 4)
    bars["open"], bars["close"] = np.round(path[:, 0], 2), np.round(path[:, 3], 2)
    bars["high"], bars["low"] = np.round(path.max(axis=1), 2), np.round(path.min(axis=1), 2)
    bars["volume"] = noise.exponential(3.0, count) * (noise.random(count) < 0.9)
    bars["interval_ns"] = MINUTE
    return bars


def twin(rows: Rows, fast: int, slow: int) -> list[tuple[int, int, float]]:
    """(input, kind, strength) of each signal of ema_cross in plain Python over polars' bars of a minute."""
    frame = pl.DataFrame({"time": rows["ts_event_ns"], "price": rows["price"]}).with_columns(
        pl.col("time").cast(pl.Datetime("ns"))
    )
    bars = frame.group_by_dynamic("time", every="1m").agg(close=pl.col("price").last())
    state, row = np.zeros(1, ema_cross.STATE)[0], np.zeros(1, MARKET_DTYPE)[0]
    intents, said = np.zeros(1, [("kind", "i1"), ("strength", "<f8")]), []
    ends = bars["time"].cast(pl.Int64).to_numpy() + MINUTE
    for end, close in zip(ends[:-1].tolist(), bars["close"].to_list(), strict=False):
        row["price"] = close
        if ema_cross.kernel(row, None, None, state, {"fast": fast, "slow": slow}, intents):
            closed_by = int(np.searchsorted(rows["ts_event_ns"], end))
            said.append((closed_by, int(intents[0]["kind"]), float(intents[0]["strength"])))
    return said


def test_signals_are_those_of_the_kernel_over_bars_made_by_polars() -> None:
    """A crossing of averages on "1m" over ticks is the one that anybody computes from candles of a minute."""
    rows, params = ticks(40_000, 5), {"fast": 3, "slow": 8}
    lane = LaneSpec(strategy="ema_cross", instrument=0, params=params, interval_ns=MINUTE)
    signals = DecisionLoop(spec_of(0, lanes=(lane,)), REGISTRY).advance(rows).signals
    want = twin(rows, 3, 8)
    assert len(want) > 50
    assert [(int(one["input"]), int(one["kind"]), float(one["strength"])) for one in signals] == want


def test_what_a_kernel_gets_of_trades() -> None:
    """A closed bar: its close and a quarter of its volume, its prices in the market record, the market as it is now."""
    rows = market(
        [trade(100.0, 4.0), bid(99.0), trade(103.0, 4.0), trade(99.0, 8.0), trade(101.0, 0.0)],  # of a minute
    )
    later = market([bid(98.0), trade(98.0)], first=60)  # 20 s into the minute after
    loop = seeing(spec_of(MINUTE))
    loop.advance(np.concatenate([rows, later]))
    end = (BEGUN + MINUTE - 1) // SECOND
    assert seen(loop) == [(101.0, 4.0, MarketFlag.BAR_CLOSE, 100.0, 103.0, 99.0, end, 101.0)]
    assert [float(loop.instruments[0][name]) for name in ("bar_open", "bar_high", "bar_low")] == [0.0, 0.0, 0.0]


def test_intervals_without_a_trade_make_no_bar_and_late_trades_belong_to_now() -> None:
    """Two minutes of silence are no bars; a trade of the bar before, come late, is the new bar's."""
    rows = market([trade(100.0), trade(105.0), trade(90.0), trade(107.0), trade(1.0)])
    rows["ts_event_ns"] = BEGUN + np.array([1, 200, 58, 239, 240]) * SECOND
    loop = seeing(spec_of(MINUTE))
    loop.advance(rows)
    assert [call[:1] + call[3:7] for call in seen(loop)] == [
        (100.0, 100.0, 100.0, 100.0, BEGUN // SECOND + 59),
        (107.0, 105.0, 107.0, 90.0, BEGUN // SECOND + 239),
    ]


def test_bars_of_the_own_interval_decide_as_without_one() -> None:
    """ "1m" over recorded bars of a minute is what no timeframe is, bar for bar."""
    bars, got = minute_bars(600, 3), []
    for interval_ns in (0, MINUTE):
        lanes = [
            LaneSpec(strategy="noisy", instrument=0, interval_ns=interval_ns),
            LaneSpec(strategy="ema_cross", instrument=0, params={"fast": 2, "slow": 5}, interval_ns=interval_ns),
        ]
        given = spec_of(0, lanes=tuple(lanes), limits=limits(stop_loss_ratio=0.004))
        found = DecisionLoop(given, STRATEGIES).advance_bars(bars)
        got.append([rows.tobytes() for rows in found.kinds()])
        assert min(len(rows) for rows in (found.signals, found.orders, found.fills)) > 100
    assert got[0] == got[1]


def test_longer_bars_close_with_the_last_of_the_shorter() -> None:
    """Five minutes of recorded minutes: the bar is known with the fifth minute's close, or with what comes after."""
    bars = minute_bars(9, 1)
    bars["ts_event_ns"] = (START_NS // (5 * MINUTE) + 1) * 5 * MINUTE + np.array([0, 1, 2, 3, 4, 5, 6, 8, 10]) * MINUTE
    bars["volume"] = 4.0
    loop = seeing(spec_of(5 * MINUTE))
    signals = loop.advance_bars(bars).signals
    calls = seen(loop)
    assert [call[0] for call in calls] == [bars["close"][4], bars["close"][7]]
    assert [call[1] for call in calls] == [5.0, 3.0], "a quarter of five and of three minutes' volume"
    assert [call[4] for call in calls] == [bars["high"][:5].max(), bars["high"][5:8].max()]
    assert [int(one["input"]) for one in signals] == [32], "the open of the bar behind the gap"


def test_fills_and_exits_go_by_the_rows_as_they_are() -> None:
    """An order decided on a bar fills on the next trade, and a stop is met within the minute."""
    rows = market([trade(100.0) for _ in range(130)])
    rows["price"][110:] = 90.0
    found = seeing(spec_of(MINUTE, limits=limits(stop_loss_ratio=0.05))).advance(rows)
    assert [(int(one["input"]), float(one["price"])) for one in found.fills] == [(101, 100.0), (110, 90.0)]


def test_lanes_without_an_interval_decide_as_in_a_session_without_any() -> None:
    """A strategy on a timeframe that never closes a bar changes nothing for the others, whatever rows come."""
    rows, given = crowd(4_000, seed=8), spec()
    sleeping = LaneSpec(strategy="ema_cross", instrument=2, interval_ns=INTERVAL_MAX)
    with_it = msgspec.structs.replace(given, lanes=(*given.lanes, sleeping))
    want = outcome(DecisionLoop(given, STRATEGIES), [rows])[0]
    assert outcome(DecisionLoop(with_it, STRATEGIES), [rows])[0] == want


def test_time_is_the_designated_one() -> None:
    """Where the time of receipt counts, bars are cut by it."""
    rows = market([trade(100.0), trade(101.0), trade(102.0)])
    rows["ts_received_ns"] += np.array([0, 39, 39]) * SECOND
    for designated, calls in (("event", 0), ("received", 1)):
        loop = seeing(spec_of(MINUTE, designated=designated))
        loop.advance(rows)
        assert len(seen(loop)) == calls


def test_a_session_without_intervals_is_what_it_was() -> None:
    """Its code, records and snapshot know nothing of bars of lanes; another code has the session with one."""
    without, having = (DecisionLoop(spec_of(length, "ema_cross"), REGISTRY) for length in (0, MINUTE))
    assert without.code_hash == code_hash_of([ema_cross.STRATEGY])
    assert having.code_hash == code_hash_of([ema_cross.STRATEGY], intervals=True) != without.code_hash
    assert without._memory.bars == ()
    assert len(having.snapshot()) > len(without.snapshot())


def test_a_late_trade_opens_no_second_bar_of_an_interval() -> None:
    """A trade of the minute that a quote has closed already belongs to the minute that comes."""
    times = ((1, 100.0), (30, 101.0), (59.9, 102.0), (61, 103.0), (121, 105.0))
    rows = [trade(price, ts_event_ns=BEGUN + round(second * SECOND)) for second, price in times]
    rows.insert(2, bid(101.0, ts_event_ns=BEGUN + MINUTE))
    loop = seeing(spec_of(MINUTE))
    loop.advance(market(rows))
    begun = BEGUN // SECOND
    assert [(call[0], call[6]) for call in seen(loop)] == [(101.0, begun + 59), (103.0, begun + 119)]
    assert seen(loop)[1][3] == 102.0
