"""Rows of one block of a simulated market, out of its path."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.feeds.pack import joined, reordered
from engine.feeds.simulated_path import ROWS, Path, generator
from engine.loop.rounding import in_steps
from events.rows import MARKET_DTYPE, MarketKind, Rows, Side

if TYPE_CHECKING:
    from engine.feeds.simulated import SimulatedInstrument, SimulatedMarket

MS_NS = 1_000_000
SECOND_MS = 1_000
SIZE_SIGMA = 1.0  # of the logarithm of a size
STEPS_MAX = 2**52  # of a price or a quantity

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class _Trades(NamedTuple):
    """Trades of one instrument in one block, in order. Prices and quantities are counts of steps."""

    time_ms: Ints  # since the block began
    bid: Floats
    ask: Floats
    bought: NDArray[np.bool_]
    sizes: Floats  # [3, n]: of the trade, the bid, the ask


def block_rows(market: SimulatedMarket, path: Path) -> Rows:
    """All rows of a block in order of (time, instrument, order within the instrument), local instrument numbers."""
    parts = [_instrument_rows(market, path, at) for at in range(len(market.instruments))]
    rows = joined(parts)
    return reordered(rows, np.argsort(rows["ts_event_ns"], kind="stable"))


def _instrument_rows(market: SimulatedMarket, path: Path, at: int) -> Rows:
    one = market.instruments[at]
    trades = _trades(market, path, at)
    count = len(trades.time_ms)
    quoted = _quoted(trades) if market.quotes else np.zeros(count, np.int64)
    prints = np.cumsum(1 + quoted) - 1 if market.quotes else slice(None)
    rows = np.zeros(count + int(quoted.sum()), MARKET_DTYPE)
    block_ns = market.start_ns + path.block * market.block_s * SECOND_MS * MS_NS
    times = trades.time_ms * MS_NS + block_ns
    rows["ts_event_ns"] = np.repeat(times, 1 + quoted) if market.quotes else times
    rows["ts_received_ns"] = rows["ts_event_ns"] + round(market.latency_ms * MS_NS)
    rows["instrument"] = at
    rows["kind"][prints] = MarketKind.TRADE
    rows["side"][prints] = trades.bought * (Side.BUY - Side.SELL) + Side.SELL
    rows["price"][prints] = in_steps(np.where(trades.bought, trades.ask, trades.bid), one.price_step)
    rows["quantity"][prints] = in_steps(trades.sizes[0], one.quantity_step)
    rows["id"][prints] = path.trades_before[at] + 1 + np.arange(count)
    if market.quotes:
        fresh = quoted > 0
        _write_quotes(rows, (np.cumsum(1 + quoted) - 1)[fresh], one, trades, fresh)
    return rows


def _quoted(trades: _Trades) -> Ints:
    """Two quote rows before each trade that finds another bid or ask than the trade before; int64[n]."""
    changed = (np.diff(trades.bid, prepend=-1.0) != 0) | (np.diff(trades.ask, prepend=-1.0) != 0)
    return 2 * changed.astype(np.int64)


def _write_quotes(
    rows: Rows, prints: Ints, one: SimulatedInstrument, trades: _Trades, fresh: NDArray[np.bool_]
) -> None:
    """The bid and the ask that stand two and one rows before their trade."""
    sides = ((2, MarketKind.BID, Side.BUY, trades.bid), (1, MarketKind.ASK, Side.SELL, trades.ask))
    for at, (before, kind, side, steps) in enumerate(sides, start=1):
        places = prints - before
        rows["kind"][places] = kind
        rows["side"][places] = side
        rows["price"][places] = in_steps(steps[fresh], one.price_step)
        rows["quantity"][places] = in_steps(trades.sizes[at][fresh], one.quantity_step)


def _trades(market: SimulatedMarket, path: Path, at: int) -> _Trades:
    one = market.instruments[at]
    counts = path.counts[at]
    count = int(counts.sum())
    chance = generator(market.seed, path.block, ROWS, at)
    times = np.sort(np.repeat(np.arange(len(counts)) * SECOND_MS, counts) + chance.integers(0, SECOND_MS, count))
    joined = chance.random(count) < market.burst_ratio
    joined[:1] = False
    times = times[np.maximum.accumulate(np.where(joined, 0, np.arange(count)))]
    second = times // SECOND_MS
    log_price, share = path.log_price[at], (times % SECOND_MS) / SECOND_MS
    mid = one.price * np.exp(log_price[second] * (1 - share) + log_price[second + 1] * share)
    steps = mid / one.price_step
    half = np.maximum(steps * one.spread_ratio, 1.0) / 2
    bid = np.clip(np.floor(steps - half + 0.5), 1, STEPS_MAX)
    ask = np.maximum(np.ceil(steps + half - 0.5), bid + 1)
    bought = chance.random(count) < 0.5 + path.bias[at][second]
    drawn = chance.standard_normal((3 if market.quotes else 1, count))
    sizes = np.exp(drawn * SIZE_SIGMA) * (one.notional_median / one.quantity_step) / mid
    return _Trades(times, bid, ask, bought, np.clip(np.rint(sizes), 1, STEPS_MAX))
