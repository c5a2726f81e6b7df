"""What the page's script draws: series and trades as one JSON object."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.research.metrics.equity import drawdowns_of
from engine.research.report.data import ReportData
from engine.research.report.downsample import downsample
from events.rows import Code, Rows

POINTS_MAX = 6_000  # of one series; each takes about 20 bytes of the page
MARKERS_MAX = 5_000  # trades drawn; beyond it those that made or lost most
DIGITS = 9  # significant digits of drawn values
MS = 1_000_000

Point = list[float]


class Series(msgspec.Struct, frozen=True):
    """One line. `t`: ms since the epoch, the first absolute, the others since the one before; `v`: values."""

    t: list[int]
    v: list[float]


class PriceLine(msgspec.Struct, frozen=True):
    """Prices of one instrument."""

    instrument: int
    name: str
    line: Series


class Marker(msgspec.Struct, frozen=True, array_like=True):
    """One trade as an array: the script reads the fields by their place."""

    number: int
    instrument: int
    side: int
    is_open: int
    entry_ms: float
    exit_ms: float
    entry_price: float
    exit_price: float
    pnl: float
    label: str


class Payload(msgspec.Struct, frozen=True):
    """Everything the script needs."""

    quote: str
    begin_ms: float
    end_ms: float
    initial: float
    equity: Series
    drawdown: Series
    prices: list[PriceLine]
    trades: list[Marker]


def payload_of(data: ReportData) -> Payload:
    """The series, downsampled with their spikes, and the trades."""
    curve, shown = data.curve, most_telling(data.trades, MARKERS_MAX)
    drawdowns = drawdowns_of(curve) if curve.equity[0] > 0.0 else np.zeros_like(curve.equity)
    return Payload(
        quote=data.quote,
        begin_ms=int(curve.ts_ns[0]) / MS,
        end_ms=int(curve.ts_ns[-1]) / MS,
        initial=float(curve.equity[0]),
        equity=_series(curve.ts_ns, curve.equity),
        drawdown=_series(curve.ts_ns, drawdowns),
        prices=[
            PriceLine(one.instrument, data.instrument_name(one.instrument), _series(one.ts_ns, one.price))
            for one in data.drawn_prices()
        ],
        trades=[_marker(data, int(number)) for number in shown],
    )


def most_telling(trades: Rows, limit: int) -> NDArray[np.int64]:
    """Indexes of the `limit` trades that made or lost most, in the order of the rows."""
    if trades.size <= limit:
        return np.arange(trades.size)
    return np.sort(np.argpartition(-np.abs(trades["pnl"]), limit)[:limit])


def reason(trade: np.void) -> str:
    """Why the trade ended, in words."""
    if trade["open"]:
        return "open"
    code = int(trade["code"])
    return Code(code).name.lower().replace("_", " ") if code in set(Code) else f"code {code}"


def _series(ts_ns: NDArray[np.int64], values: NDArray[np.float64]) -> Series:
    kept = downsample(values, POINTS_MAX)
    ms = np.round(ts_ns[kept] / MS).astype(np.int64)
    return Series(np.diff(ms, prepend=0).tolist(), [float(f"{value:.{DIGITS}g}") for value in values[kept]])


def _marker(data: ReportData, number: int) -> Marker:
    trade = data.trades[number]
    return Marker(
        number=number + 1,
        instrument=int(trade["instrument"]),
        side=int(trade["side"]),
        is_open=int(trade["open"]),
        entry_ms=int(trade["entry_ns"]) / MS,
        exit_ms=int(trade["exit_ns"]) / MS,
        entry_price=float(trade["entry_price"]),
        exit_price=float(trade["exit_price"]),
        pnl=float(trade["pnl"]),
        label=f"{data.lane_name(int(trade['lane']))} · {reason(trade)}",
    )
