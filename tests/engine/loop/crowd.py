"""A crowded market: every kind of row on several instruments, six lanes of two kernels on one account."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from engine.loop.decision_loop import DecisionLoop
from engine.loop.spec import LaneSpec, LoopSpec
from engine.strategies import ema_cross
from events.rows import MARKET_DTYPE, MarketFlag, MarketKind, Rows
from tests.engine.loop.driving import SECOND, START_NS, limits, terms
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


def spec_with_intervals(**fields: Any) -> LoopSpec:
    """The same lanes; every second one's kernel sees bars, of ten seconds or of a minute."""
    given = spec(**fields)
    lengths = (10 * SECOND, 0, 60 * SECOND, 0)
    lanes = [
        msgspec.structs.replace(lane, interval_ns=lengths[at % len(lengths)]) for at, lane in enumerate(given.lanes)
    ]
    return msgspec.structs.replace(given, lanes=tuple(lanes))


def outcome(loop: DecisionLoop, parts: list[Rows]) -> tuple[list[bytes], str]:
    """The bytes of all outputs per kind, and the hash of the records."""
    decided = [loop.advance(part) for part in parts]
    joined = [b"".join(rows.tobytes() for rows in kind) for kind in zip(*(one.kinds() for one in decided), strict=True)]
    return joined, loop.state_hash()
