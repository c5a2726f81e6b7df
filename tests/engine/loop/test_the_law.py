"""The law: however rows are cut into calls and wherever a full output interrupts, the same bytes come out."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.loop.decision_loop import DecisionLoop
from engine.loop.module import load_loop
from engine.loop.spec import LaneSpec, LoopSpec
from engine.strategies import ema_cross
from events.rows import MARKET_DTYPE, MarketFlag, MarketKind, Rows
from tests.engine.loop.driving import START_NS, limits, plain_loop, terms
from tests.engine.loop.kernels import NOISY

STRATEGIES = {one.id: one for one in (ema_cross.STRATEGY, NOISY)}
FLAGS = (0, 0, 0, 0, 0, int(MarketFlag.OFF_BOOK), int(MarketFlag.NO_QUANTITY))


def crowd(rows: int, seed: int, instruments: int = 3) -> Rows:
    """Rows of every kind on several instruments, some not of the session, with bars, bad prices and late times."""
    noise = np.random.Generator(np.random.Philox(key=seed))
    out = np.zeros(rows, MARKET_DTYPE)
    out["ts_event_ns"] = START_NS + np.cumsum(noise.integers(-2, 40, rows)) * 100_000_000
    out["ts_received_ns"] = out["ts_event_ns"] + noise.integers(0, 10**9, rows)
    out["instrument"] = noise.integers(-1, instruments + 2, rows)
    out["kind"] = noise.choice([1, 1, 1, 1, 2, 3, 4, 5, 6], rows)
    path = 100.0 + np.cumsum(noise.integers(-3, 4, rows)) * 0.01
    spread = np.where(out["kind"] == MarketKind.BID, -0.01, np.where(out["kind"] == MarketKind.ASK, 0.01, 0.0))
    out["price"] = np.round(path + spread, 2)
    out["quantity"] = noise.integers(0, 8, rows) * 0.25
    out["side"] = noise.integers(-1, 2, rows)
    out["flags"] = noise.choice(FLAGS, rows)
    bars = noise.random(rows) < 0.05
    out["flags"][bars] = 1 << noise.integers(1, 5, int(bars.sum()))
    out["price"][noise.random(rows) < 0.01] = np.nan
    return out


def spec(**fields: Any) -> LoopSpec:
    """Six lanes of two strategies on three instruments, everything switched on."""
    values: dict[str, Any] = {
        "stop_loss_ratio": 0.002,
        "take_profit_ratio": 0.003,
        "trailing_ratio": 0.004,
        "fill_ratio_max": 0.5,
        "slippage_ratio": 0.0001,
        "slippage_jitter_ratio": 0.0002,
        "latency_ms": 40.0,
        "latency_jitter_ms": 300.0,
        "queue_ratio": 0.5,
        "equity_interval_ms": 1000,
        "cash": 1000.0,
        "global_cap": 900.0,
        "order_notional": 120.0,
        **fields,
    }
    noisy = [LaneSpec(strategy="noisy", instrument=at % 3, params={"seed": 7 + at}) for at in range(4)]
    fast = {"fast": 2, "slow": 4}
    crosses = [LaneSpec(strategy="ema_cross", instrument=at, params=fast, allocation_ratio=0.5) for at in range(2)]
    return LoopSpec(
        instruments=(
            terms(0, taker_fee_ratio=0.0004, maker_fee_ratio=0.0002),
            terms(2, quantity_step=0.0, notional_min=20.0),
            terms(3, price_step=0.0, quantity_step=0.25),
        ),
        lanes=(*noisy[:2], *crosses, *noisy[2:]),
        limits=limits(**values),
        seed=11,
        working_max=24,
    )


def outcome(loop: DecisionLoop, parts: list[Rows]) -> tuple[list[bytes], str]:
    """The bytes of all outputs per kind, and the hash of the records."""
    decided = [loop.advance(part) for part in parts]
    joined = [b"".join(rows.tobytes() for rows in kind) for kind in zip(*(one.kinds() for one in decided), strict=True)]
    return joined, loop.state_hash()


ROWS = crowd(6_000, seed=3)


@pytest.fixture(scope="module")
def whole() -> tuple[list[bytes], str]:
    """The outcome of one call with room for everything."""
    got = outcome(DecisionLoop(spec(), STRATEGIES, capacity=200_000), [ROWS])
    assert min(len(data) for data in got[0]) > 5_000, "every kind of output is there in numbers"
    return got


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, len(ROWS)), max_size=40), capacity=st.integers(0, 400))
def test_any_cutting_and_any_capacity_give_the_same_bytes(
    whole: tuple[list[bytes], str], cuts: list[int], capacity: int
) -> None:
    """A session decides the same however its rows arrive."""
    edges = [0, *sorted(cuts), len(ROWS)]
    parts = [ROWS[first:last] for first, last in itertools.pairwise(edges)]
    assert outcome(DecisionLoop(spec(), STRATEGIES, capacity=capacity), parts) == whole


def test_one_row_a_call_gives_the_same_bytes(whole: tuple[list[bytes], str]) -> None:
    """Live, rows come one by one."""
    assert outcome(DecisionLoop(spec(), STRATEGIES), [ROWS[at : at + 1] for at in range(len(ROWS))]) == whole


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(0, 1500))
def test_a_snapshot_at_any_cut_goes_on_to_the_same_bytes(seed: int, cut: int) -> None:
    """A process that restores a snapshot decides what the first one would have."""
    rows = crowd(1_500, seed)
    want, state = outcome(DecisionLoop(spec(), STRATEGIES), [rows])
    first, second = DecisionLoop(spec(), STRATEGIES), DecisionLoop(spec(), STRATEGIES)
    before, _ = outcome(first, [rows[:cut]])
    second.restore(first.snapshot())
    after, got = outcome(second, [rows[cut:]])
    assert got == state
    assert [one + other for one, other in zip(before, after, strict=True)] == want


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_plain_python_gives_the_same_bytes(seed: int) -> None:
    """What numba compiled is what the source says."""
    rows = crowd(400, seed)
    compiled = outcome(DecisionLoop(spec(), STRATEGIES), [rows])
    with np.errstate(all="ignore"):
        plain = outcome(DecisionLoop(spec(), STRATEGIES, loop=plain_loop(STRATEGIES.values())), [rows])
    assert plain == compiled


def test_a_lane_alone_in_its_own_loop_decides_as_in_the_loop_of_all() -> None:
    """A kernel chosen by index decides as the one a loop is specialised to."""
    given = spec()
    one = LoopSpec(
        instruments=given.instruments, lanes=given.lanes[:1], limits=given.limits, seed=given.seed, working_max=24
    )
    alone = outcome(DecisionLoop(one, STRATEGIES), [ROWS])[0]
    assert alone == outcome(DecisionLoop(one, STRATEGIES, loop=load_loop(list(STRATEGIES.values()))), [ROWS])[0]
