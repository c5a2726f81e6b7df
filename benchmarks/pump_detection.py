"""How soon and how surely `pump_v2` finds the recorded pumps, and how far its thresholds may move.

    python -m benchmarks.pump_detection [--data FOLDER] [--no-margins]

`FOLDER` is that of the recorded markets (default: TAPEDECK_DATA_DIR, else ../shared/data). Detection drives the kernel
alone, with its defaults, beside a naive detector; an alarm is an entry outside -30 s .. +10 min of the announcement in
the file's name. Trading runs the decision loop over each whole file, alarms included.
"""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from engine.loop.decision_loop import DecisionLoop
from engine.loop.records import INSTRUMENT_DTYPE, INTENT_DTYPE, INTENTS_MAX, LANE_DTYPE
from engine.loop.spec import LaneSpec, LoopSpec
from engine.strategies.pump_v2 import ENTER_LONG, STRATEGY
from engine.strategies.registry import discover
from events.facts import InstrumentTerms, SessionLimits
from events.rows import MARKET_DTYPE, MarketKind, Rows, Side, SignalKind

SECOND = 1_000_000_000
IN_TIME_S = 10.0  # the first signal comes between the announcement and so long after it
EVENT_S = (-30.0, 600.0)  # signals in here belong to the event, others are alarms
ALARMS_MAX = 15  # over the five files together
NAMED = re.compile(r"(?P<coin>[A-Z]+)_(?P<day>\d{4}-\d\d-\d\d)_(?P<hour>\d\d)\.(?P<minute>\d\d)\.csv(\.gz)?")

# Leave-one-out chooses among these: a lattice about wide, in equal steps of the logarithm.
LATTICE = {
    "velocity_min_ratio": (0.02, 0.025, 0.03, 0.0375, 0.045),
    "surge_min": (3.0, 6.0, 12.0, 25.0, 50.0, 100.0),
    "arrivals_min": (10, 13, 18, 24, 32),
}

# Of the trading table. A pump's first second trades 1 to 3 BTC, a whole quiet hour before it 0.5 to 3.
ORDER_BTC = 0.1
FEE_RATIO = 0.001
SLIPPAGE_RATIO = 0.001
EXITS: dict[str, dict[str, float]] = {
    "its own": {},
    "and stop loss 5 %": {"stop_loss_ratio": 0.05},
    "and stop loss 5 %, take profit 10 %": {"stop_loss_ratio": 0.05, "take_profit_ratio": 0.1},
    "its own, latency 1 s": {"latency_ms": 1000.0},
}

Entries = NDArray[np.int64]  # places of rows


@dataclass(frozen=True, slots=True)
class Event:
    """One recorded pump: its trades and the minute it was announced for."""

    coin: str
    announced_ns: int
    rows: Rows

    @property
    def days(self) -> float:
        """Length of the recording."""
        return float(self.rows["ts_event_ns"][-1] - self.rows["ts_event_ns"][0]) / (86400 * SECOND)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a detector made of one event."""

    first_s: float | None  # of the event's first signal after the announcement; None: no signal
    signals: int  # within the event
    alarms: int  # outside it

    @property
    def in_time(self) -> bool:
        """Whether the first signal of the event came when it should."""
        return self.first_s is not None and 0.0 <= self.first_s <= IN_TIME_S


def events(folder: Path) -> list[Event]:
    """The recorded pumps of a folder, by name of the coin."""
    named = [(path, NAMED.fullmatch(path.name)) for path in sorted(folder.glob("*.csv*"))]
    return [event_of(path, match) for path, match in named if match]


def event_of(path: Path, match: re.Match[str]) -> Event:
    """Read one file; its rows are in the order in which they stand."""
    announced = datetime.fromisoformat("{day}T{hour}:{minute}+00:00".format(**match.groupdict()))
    frame = pl.read_csv(path, columns=["timestamp", "side", "price", "amount"])
    rows = np.zeros(len(frame), MARKET_DTYPE)
    rows["ts_event_ns"] = rows["ts_received_ns"] = frame["timestamp"].to_numpy() * 1_000_000
    rows["price"], rows["quantity"] = frame["price"].to_numpy(), frame["amount"].to_numpy()
    rows["side"] = np.where(frame["side"].to_numpy() == "buy", int(Side.BUY), int(Side.SELL))
    rows["kind"] = int(MarketKind.TRADE)
    return Event(match["coin"], int(announced.timestamp()) * SECOND, rows)


def judge(event: Event, entries: Entries) -> Verdict:
    """Sort the entries into those of the event and alarms."""
    after_s = (event.rows["ts_event_ns"][entries] - event.announced_ns) / SECOND
    within = after_s[(after_s >= EVENT_S[0]) & (after_s <= EVENT_S[1])]
    return Verdict(float(within[0]) if len(within) else None, len(within), len(after_s) - len(within))


_kernel = njit(nogil=True)(STRATEGY.kernel)


@njit(nogil=True)
def _entries(rows: Any, records: Any, intents: Any, found: Any) -> int:
    market, lane, state, params = records
    count = 0
    for at in range(len(rows)):
        wrote = _kernel(rows[at], market, lane, state, params, intents)
        for place in range(wrote):
            if intents[place]["kind"] == ENTER_LONG:
                found[count] = at
                count += 1
    return count


def pump_v2(rows: Rows, **params: float) -> Entries:
    """Rows on which `pump_v2` enters, its lane flat all the time."""
    found = np.zeros(len(rows), np.int64)
    blank = (np.zeros(1, dtype)[0] for dtype in (INSTRUMENT_DTYPE, LANE_DTYPE, STRATEGY.state))
    records = (*blank, STRATEGY.params_row(params)[0])
    return found[: _entries(rows, records, np.zeros(INTENTS_MAX, INTENT_DTYPE), found)]


def naive(rows: Rows, rise_ratio: float = 0.04, times: float = 30.0, deaf_s: float = 600.0) -> Entries:
    """Price over the mean of the last hour's trades, volume of the last 20 s over 20 s of the last hour's."""
    ts_ns, price, quantity = rows["ts_event_ns"], rows["price"], rows["quantity"]
    hour = np.searchsorted(ts_ns, ts_ns - 3600 * SECOND, "right")
    recent = np.searchsorted(ts_ns, ts_ns - 20 * SECOND, "right")
    ends = np.arange(len(rows)) + 1
    prices, quantities = (np.concatenate(([0.0], np.cumsum(column))) for column in (price, quantity))
    mean = (prices[ends] - prices[hour]) / (ends - hour)
    usual = np.maximum((quantities[ends] - quantities[hour]) / 180.0, 1e-12)
    warm = ts_ns - ts_ns[0] >= 3600 * SECOND
    hits = (price >= mean * (1.0 + rise_ratio)) & (quantities[ends] - quantities[recent] >= times * usual) & warm
    found: list[int] = []
    for at in np.flatnonzero(hits).tolist():
        if not found or ts_ns[at] - ts_ns[found[-1]] >= deaf_s * SECOND:
            found.append(at)
    return np.array(found, np.int64)


def detection(pumps: Sequence[Event]) -> None:
    """Print seconds to the first signal and alarms, ours beside the naive detector's."""
    print("\nDetection (s after the announcement; alarms outside -30 s .. +10 min)")
    print(f"{'file':6} {'days':>5} {'trades':>7} | {'pump_v2 s':>9} {'signals':>7} {'alarms':>6} | naive s  alarms")
    ours = [judge(event, pump_v2(event.rows)) for event in pumps]
    base = [judge(event, naive(event.rows)) for event in pumps]
    for event, one, other in zip(pumps, ours, base, strict=True):
        print(
            f"{event.coin:6} {event.days:5.1f} {len(event.rows):7d} | {_seconds(one):>9} {one.signals:7d}"
            f" {one.alarms:6d} | {_seconds(other):>7} {other.alarms:7d}"
        )
    alarms, others = (sum(one.alarms for one in verdicts) for verdicts in (ours, base))
    late = [event.coin for event, one in zip(pumps, ours, strict=True) if not one.in_time]
    print(
        f"all    {sum(event.days for event in pumps):5.1f} {sum(len(event.rows) for event in pumps):7d} |"
        f" alarms {alarms} of {ALARMS_MAX} allowed, naive {others}: ratio {alarms / max(others, 1):.2f};"
        f" not in time: {', '.join(late) or 'none'}"
    )


def _seconds(verdict: Verdict) -> str:
    return "none" if verdict.first_s is None else f"{verdict.first_s:.2f}"


def margins(pumps: Sequence[Event]) -> None:
    """Print how far each threshold may move alone, in factors of its default, before a file is no longer found in time.

    Down: until a signal comes before the announcement; in the last line until there are more alarms than allowed.
    """
    print("\nMargins: each threshold alone, as a factor of its default (1/32 .. 32 tried)")
    print(f"{'file':6} " + " ".join(f"{name:>24}" for name in LATTICE))
    for event in pumps:
        spans = [_span(partial(_in_time, event), name) for name in LATTICE]
        print(f"{event.coin:6} " + " ".join(f"{low:>14.2f} .. {high:6.2f}" for low, high in spans))

    def few(**params: float) -> bool:
        return sum(judge(event, pump_v2(event.rows, **params)).alarms for event in pumps) <= ALARMS_MAX

    spans = [_span(few, name) for name in LATTICE]
    print("alarms " + " ".join(f"{low:>14.2f} .. {high:6.2f}" for low, high in spans))


def _in_time(event: Event, **params: float) -> bool:
    return judge(event, pump_v2(event.rows, **params)).in_time


def _span(holds: Callable[..., bool], name: str) -> tuple[float, float]:
    """Least and greatest factor of a parameter's default up to which `holds` is true, by bisection from 1."""
    return 2.0 ** -_edge(holds, name, -1.0), 2.0 ** _edge(holds, name, 1.0)


def _edge(holds: Callable[..., bool], name: str, sign: float) -> float:
    parameter = next(parameter for parameter in STRATEGY.parameters() if parameter.name == name)

    def at(power: float) -> bool:
        value = float(parameter.default) * 2.0 ** (sign * power)
        value = min(max(value, parameter.minimum or 0.0), parameter.maximum or math.inf)
        return holds(**{name: round(value) if parameter.kind == "int" else value})

    good, bad = 0.0, 5.0
    if at(bad):
        return bad
    for _ in range(8):
        middle = (good + bad) / 2.0
        good, bad = (middle, bad) if at(middle) else (good, middle)
    return good


def leave_one_out(pumps: Sequence[Event]) -> None:
    """Print what thresholds chosen on four files make of the fifth.

    Chosen is the point of the lattice nearest to the middle of all that find the four in time, once each, with no more
    than their share of the alarms: what has room on every side, not what scores best.
    """
    print("\nLeave one out: thresholds chosen on the other files")
    names = list(LATTICE)
    points = list(product(*(range(len(values)) for values in LATTICE.values())))
    settings = [{name: LATTICE[name][at] for name, at in zip(names, point, strict=True)} for point in points]
    table = [[judge(event, pump_v2(event.rows, **setting)) for event in pumps] for setting in settings]
    for left, event in enumerate(pumps):
        share = ALARMS_MAX * (len(pumps) - 1) // len(pumps)
        good = [number for number, verdicts in enumerate(table) if _works(verdicts, left, share)]
        middle = np.mean([points[number] for number in good], axis=0)
        chosen = min(good, key=lambda number: float(np.sum((np.array(points[number]) - middle) ** 2)))
        verdict = table[chosen][left]
        print(
            f"{event.coin:6} {_seconds(verdict):>5} s  {verdict.signals} signal  {verdict.alarms} alarms  with "
            + ", ".join(f"{name} {value:g}" for name, value in settings[chosen].items())
            + f"  ({len(good)} of {len(points)} points work on the others)"
        )


def _works(verdicts: Sequence[Verdict], left: int, alarms_max: int) -> bool:
    others = [verdict for number, verdict in enumerate(verdicts) if number != left]
    found = all(verdict.in_time and verdict.signals == 1 for verdict in others)
    return found and sum(verdict.alarms for verdict in others) <= alarms_max


def windows(pumps: Sequence[Event]) -> None:
    """Print what becomes of the detection where a window is halved or doubled."""
    print("\nWindows halved and doubled: latest first signal, alarms")
    for name in ("fast_window_s", "slow_window_s", "surge_window_s", "base_window_s", "cooldown_s"):
        default = next(int(parameter.default) for parameter in STRATEGY.parameters() if parameter.name == name)
        for value in (default // 2, default * 2):
            verdicts = [judge(event, pump_v2(event.rows, **{name: value})) for event in pumps]
            latest = max((verdict.first_s or math.inf) if verdict.in_time else math.inf for verdict in verdicts)
            print(f"{name:15} {value:6d}  {latest:6.2f} s {sum(verdict.alarms for verdict in verdicts):4d} alarms")


def trading(pumps: Sequence[Event]) -> None:
    """Print what trading the files would have earned after fees and slippage: BTC, and the share of what was traded."""
    print(
        f"\nTrading: {ORDER_BTC} BTC an entry, fee {FEE_RATIO:.2%} a side, slippage {SLIPPAGE_RATIO:.2%},"
        " each fill at most the quantity of a later trade"
    )
    print(
        f"{'strategy':9} {'exits':34} " + " ".join(f"{event.coin:>9}" for event in pumps) + "       all   trades   net"
    )
    for strategy, (name, limits) in product(("pump_v2", "dump_v2"), EXITS.items()):
        results = [trade(event, strategy, limits) for event in pumps]
        earned, entries = sum(one[0] for one in results), sum(one[1] for one in results)
        print(
            f"{strategy:9} {name:34} "
            + " ".join(f"{one[0]:+9.5f}" for one in results)
            + f" {earned:+9.5f} {entries:8d} {earned / max(entries * ORDER_BTC, 1e-9):+6.2%}"
        )


def trade(event: Event, strategy: str, limits: dict[str, float]) -> tuple[float, int]:
    """Equity gained over the file, BTC, and the number of entries."""
    registry = discover()
    terms = InstrumentTerms(
        number=0,
        symbol=event.coin,
        quote="BTC",
        price_step=1e-8,
        quantity_step=1.0,
        notional_min=0.001,
        maker_fee_ratio=FEE_RATIO,
        taker_fee_ratio=FEE_RATIO,
    )
    costs = {"slippage_ratio": SLIPPAGE_RATIO, "latency_ms": 200.0} | limits
    spec = LoopSpec(
        instruments=(terms,),
        lanes=(LaneSpec(strategy=strategy, instrument=0, params=registry[strategy].resolve({})),),
        limits=msgspec.convert({"cash": 1.0, "global_cap": 1.0, "order_notional": ORDER_BTC} | costs, SessionLimits),
    )
    loop = DecisionLoop(spec, registry)
    signals = loop.advance(event.rows).signals
    loop.close(flatten=True)
    return loop.equity - 1.0, int(np.count_nonzero(signals["kind"] != SignalKind.EXIT))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TAPEDECK_DATA_DIR") or shared))
    parser.add_argument("--no-margins", action="store_true", help="detection and trading only")
    options = parser.parse_args(arguments)
    pumps = events(options.data / "pump_events_ticks")
    if not pumps:
        parser.exit(2, f"{options.data / 'pump_events_ticks'} has no pump file: give the folder with --data.\n")
    detection(pumps)
    trading(pumps)
    if not options.no_margins:
        margins(pumps)
        windows(pumps)
        leave_one_out(pumps)


if __name__ == "__main__":
    main()
