"""W1: a million trade ticks, EMA 50/200, flips at the market, fee 4 bps, filled on the next row, equity at each row.

    python -m benchmarks.w1 [--runs N]

Ours is the whole loop: working orders, exits, risk, fills and marks stored, rows handed over in the runner's steps. Its
fills are first compared, number for number, with those of the plain Python loop. Baselines of the same run: that plain
loop, and a bare numba loop that does the same arithmetic and nothing else.
"""

from __future__ import annotations

import argparse
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

from engine.loop.decision_loop import DecisionLoop
from engine.loop.spec import LaneSpec, LoopSpec
from engine.strategies.registry import discover
from events.facts import InstrumentTerms, SessionLimits
from events.rows import MARKET_DTYPE, MarketKind, Rows

ROWS = 1_000_000
STEP_ROWS = 131_072  # as the runner hands rows over
FAST, SLOW = 50, 200
CASH, NOTIONAL, FEE = 1_000_000.0, 10_000.0, 0.0004
LIMIT = 60.0  # M rows/s
NS_PER_MS = 1_000_000
START_NS = 1_381_104_000_000_000_000


class Trades(NamedTuple):
    """What a run leaves: (price, signed quantity, fee, cash) of each fill, and the equity at the end."""

    fills: list[tuple[float, float, float, float]]
    equity: float


def simulated_ticks(rows: int = ROWS, instrument: int = 0, seed: int = 1) -> Rows:
    """Ticks shaped like SPY's: 85 % repeat the price, half repeat the millisecond, steps of a cent or two."""
    noise = np.random.Generator(np.random.Philox(key=seed))
    out = np.zeros(rows, MARKET_DTYPE)
    gaps_ms = noise.geometric(0.02, rows) * (noise.random(rows) < 0.47)
    out["ts_event_ns"] = out["ts_received_ns"] = START_NS + np.cumsum(gaps_ms) * NS_PER_MS
    steps = noise.choice([-2, -1, 1, 2], rows, p=[0.1, 0.4, 0.4, 0.1]) * (noise.random(rows) < 0.15)
    out["price"] = np.round(167.0 + np.cumsum(steps) * 0.01, 2)
    out["quantity"] = noise.choice([1, 100, 200, 300, 500], rows)
    out["kind"] = MarketKind.TRADE
    out["instrument"] = instrument
    return out


def recorded_ticks(folder: Path, rows: int = ROWS) -> Rows | None:
    """The first recorded SPY trades, or None where they are not here."""
    parts, found = [], 0
    for path in sorted((folder / "spy_trade_ticks").glob("*_trade.zip")):
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as lines:
            columns = np.loadtxt(lines, delimiter=",", usecols=(0, 1, 2), max_rows=rows - found)
        day_ns = np.datetime64(f"{path.name[:4]}-{path.name[4:6]}-{path.name[6:8]}", "ns").astype(np.int64)
        part = np.zeros(len(columns), MARKET_DTYPE)
        part["ts_event_ns"] = part["ts_received_ns"] = day_ns + columns[:, 0].astype(np.int64) * NS_PER_MS
        part["price"], part["quantity"], part["kind"] = columns[:, 1] / 1e4, columns[:, 2], MarketKind.TRADE
        parts.append(part)
        found += len(part)
        if found >= rows:
            break
    return np.concatenate(parts) if found >= rows else None


def w1_spec(fast: int = FAST, slow: int = SLOW) -> LoopSpec:
    """The session of W1."""
    terms = InstrumentTerms(
        number=0,
        symbol="W1",
        quote="USD",
        price_step=0.01,
        quantity_step=0.0,
        notional_min=0.0,
        maker_fee_ratio=FEE,
        taker_fee_ratio=FEE,
    )
    limits = SessionLimits(cash=CASH, global_cap=CASH, order_notional=NOTIONAL, fill_ratio_max=0.0)
    lane = LaneSpec(strategy="ema_cross", instrument=0, params={"fast": fast, "slow": slow})
    return LoopSpec(instruments=(terms,), lanes=(lane,), limits=limits)


def ours(loop: DecisionLoop, rows: Rows) -> Trades:
    """The decision loop over all rows."""
    fills: list[tuple[float, float, float, float]] = []
    for at in range(0, len(rows), STEP_ROWS):
        found = loop.advance(rows[at : at + STEP_ROWS]).fills
        signed = found["quantity"] * found["side"]
        fills += zip(
            found["price"].tolist(), signed.tolist(), found["fee"].tolist(), found["cash"].tolist(), strict=True
        )
    return Trades(fills, loop.equity)


def drive(loop: DecisionLoop, rows: Rows) -> None:
    """The same without looking at the result."""
    for at in range(0, len(rows), STEP_ROWS):
        loop.advance(rows[at : at + STEP_ROWS])


def plain(prices: list[float], fast: int = FAST, slow: int = SLOW) -> Trades:
    """W1 in plain Python."""
    fast_ratio, slow_ratio = 2.0 / (fast + 1), 2.0 / (slow + 1)
    quick = tardy = position = wanted = 0.0
    cash, above, peak, equity = CASH, 0, CASH, CASH
    fills: list[tuple[float, float, float, float]] = []
    for at, price in enumerate(prices):
        if wanted:
            fee = FEE * price * abs(wanted)
            cash -= wanted * price + fee
            position += wanted
            fills.append((price, wanted, fee, cash))
            wanted = 0.0
        seen = at + 1
        quick = _ema(quick, price, seen, fast, fast_ratio)
        tardy = _ema(tardy, price, seen, slow, slow_ratio)
        if seen >= slow and quick != tardy:
            now = 1 if quick > tardy else -1
            if above and now != above:
                wanted = now * (NOTIONAL / price + abs(position))
            above = now
        equity = cash + position * price
        peak = max(peak, equity)
    return Trades(fills, equity)


def _ema(value: float, price: float, seen: int, window: int, ratio: float) -> float:
    if seen < window:
        return value + price
    return (value + price) / window if seen == window else (price - value) * ratio + value


@njit(nogil=True)
def bare(rows: Rows, fast: int, slow: int, fills: Rows) -> tuple[int, float, float]:
    """W1's arithmetic in numba and nothing else; `fills`: float64[n, 4]. Gives fills, equity and its peak."""
    quick = tardy = position = wanted = 0.0
    cash, above, count, peak, equity = 1_000_000.0, 0, 0, 0.0, 0.0
    for at in range(len(rows)):
        price = rows[at]["price"]
        if wanted != 0.0:
            fee = 0.0004 * price * abs(wanted)
            cash -= wanted * price + fee
            position += wanted
            fills[count, 0], fills[count, 1], fills[count, 2], fills[count, 3] = price, wanted, fee, cash
            count += 1
            wanted = 0.0
        if at < slow:
            quick = quick + price if at + 1 < fast else _seeded(quick, price, at + 1, fast)
            tardy = tardy + price if at + 1 < slow else _seeded(tardy, price, at + 1, slow)
        else:
            quick = (price - quick) * (2.0 / (fast + 1)) + quick
            tardy = (price - tardy) * (2.0 / (slow + 1)) + tardy
        if at + 1 >= slow and quick != tardy:
            now = 1 if quick > tardy else -1
            if above != 0 and now != above:
                wanted = now * (10_000.0 / price + abs(position))
            above = now
        equity = cash + position * price
        peak = max(peak, equity)
    return count, equity, peak


@njit(nogil=True)
def _seeded(value: float, price: float, seen: int, window: int) -> float:
    return (value + price) / window if seen == window else (price - value) * (2.0 / (window + 1)) + value


def best(runs: int, play: Callable[[], object], before: Callable[[], object] | None = None) -> float:
    """CPU seconds of this thread in the best of some runs: others on the machine cost little."""
    least = float("inf")
    for _ in range(runs):
        if before is not None:
            before()
        began = time.thread_time()
        play()
        least = min(least, time.thread_time() - began)
    return least


def compare(rows: Rows, loop: DecisionLoop) -> Trades:
    """Ours against plain Python: every fill the same, number for number.

    Raises:
        SystemExit: a fill or the equity differs.
    """
    got, want = ours(loop, rows), plain(rows["price"].tolist())
    if got.fills != want.fills or abs(got.equity - want.equity) > 1e-6:
        raise SystemExit(f"W1 differs: {len(got.fills)} and {len(want.fills)} fills, {got.equity} and {want.equity}")
    return got


def data_folder() -> Path:
    """The folder of recorded markets, there or not."""
    here = Path(__file__).resolve().parent.parent
    return Path(os.environ.get("TAPEDECK_DATA_DIR") or here.parent / "shared" / "data")


def main(runs: int) -> None:
    """Measure and print."""
    loop = DecisionLoop(w1_spec(), discover())
    start = loop.snapshot()
    print(f"W1, {ROWS / 1e6:g} M rows, rows per CPU second, best of {runs} runs; limit {LIMIT:g} M")
    for name, rows in (("simulated", simulated_ticks()), ("recorded SPY", recorded_ticks(data_folder()))):
        if rows is None:
            print(f"  {name:13s} not here: set TAPEDECK_DATA_DIR")
            continue
        loop.restore(start)
        trades = compare(rows, loop)
        fills = np.zeros((len(trades.fills) + 1, 4))
        bare(rows, FAST, SLOW, fills)
        quickest = best(runs, lambda rows=rows: drive(loop, rows), lambda: loop.restore(start))
        floor = best(runs, lambda rows=rows, fills=fills: bare(rows, FAST, SLOW, fills))
        prices = rows["price"].tolist()
        slowest = best(2, lambda prices=prices: plain(prices))
        speed, most, least = (len(rows) / seconds / 1e6 for seconds in (quickest, floor, slowest))
        print(f"  {name:13s} {speed:6.1f} M rows/s, {len(trades.fills)} fills equal to plain Python's")
        print(f"  {'':13s} bare numba {most:.1f} (ours {speed / most:.2f} of it), plain Python {least:.2f} M rows/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=25)
    main(parser.parse_args().runs)
