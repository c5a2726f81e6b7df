"""What every row must be, and what is noticed about its order. One stage behind every format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.feeds.errors import BadRows
from engine.feeds.intake import Batch, Intake
from engine.feeds.report import MEANINGS, ROWS_NAMED_MAX, FindingCode
from engine.feeds.stamps import TIME_MAX_NS, TIME_MIN_NS
from events.rows import MarketFlag, MarketKind, Rows

PRICE_MAX = 1e15
QUANTITY_MAX = 1e18

Designated = Literal["event", "received"]
Mask = NDArray[np.bool_]


def fits(values: NDArray, low: float, high: float, *, strictly: bool = False) -> bool:
    """Whether all values lie within; NaN does not."""
    least, most = values.min(), values.max()
    return bool((least > low if strictly else least >= low) and most <= high)


class Checks(ABC):
    """Refuses (or leaves out) rows that are no market data, and notes what is odd about their times."""

    def __init__(self, intake: Intake, designated: Designated) -> None:
        self._intake = intake
        self._notes = intake.notes
        self._time_field = "ts_event_ns" if designated == "event" else "ts_received_ns"
        self._designated = designated
        self._last: dict[str, int] = {}
        self._last_line = 0
        self._latency_ms = (0.0, 0.0)

    def keep(self, batch: Batch) -> Batch:
        """The rows that are sound.

        Raises:
            BadRows: there are others, and the mapping does not skip them.
        """
        if len(batch.rows) == 0:
            return batch
        faults = {code: mask for code, mask in self._faults(batch.rows).items() if mask.any()}
        if faults:
            batch = self._without(batch, faults)
        if len(batch.rows):
            self._note_order(batch)
            self._note_more(batch)
            self._count(batch)
        return batch

    @abstractmethod
    def _faults(self, rows: Rows) -> dict[FindingCode, Mask]:
        """What is wrong with which rows; empty where all is well."""

    @abstractmethod
    def _note_more(self, batch: Batch) -> None:
        """What is odd about sound rows."""

    def _time_faults(self, rows: Rows) -> dict[FindingCode, Mask]:
        bad: Mask | None = None
        for name in ("ts_event_ns", "ts_received_ns"):
            times = rows[name]
            if not fits(times, TIME_MIN_NS, TIME_MAX_NS):
                outside = (times < TIME_MIN_NS) | (times > TIME_MAX_NS)
                bad = outside if bad is None else bad | outside
        return {} if bad is None else {FindingCode.BAD_TIME: bad}

    def _without(self, batch: Batch, faults: dict[FindingCode, Mask]) -> Batch:
        bad = np.logical_or.reduce(list(faults.values()))
        if not self._intake.skips:
            said = [f"{MEANINGS[code]} (rows {_named(batch, mask)})" for code, mask in faults.items()]
            first = int(batch.lines[bad].min())
            raise BadRows(
                f"{self._intake.source.name} has rows that are no market data: {'; '.join(said)}. "
                f"Row {first} is {self._intake.source.shown(first)}.",
                field="file",
                hint="Mend the file, or give bad_rows=skip to leave such rows out and count them.",
            )
        for code, mask in faults.items():
            self._notes.add(code, np.unique(batch.lines[mask]))
        return Batch(batch.rows[~bad], batch.lines[~bad])

    def _note_order(self, batch: Batch) -> None:
        designated = batch.rows[self._time_field]
        steps = np.diff(designated, prepend=self._last.get(self._time_field, int(designated[0])))
        moved = np.diff(batch.lines, prepend=self._last_line) != 0
        if not self._last:
            moved[0] = False
        if steps.min() < 0:
            self._notes.add(FindingCode.DISORDER, batch.lines[steps < 0])
        self._notes.add(FindingCode.SAME_TIME, batch.lines[(steps == 0) & moved])
        self._last[self._time_field] = int(designated[-1])
        if self._designated == "received":
            events = batch.rows["ts_event_ns"]
            back = np.diff(events, prepend=self._last.get("ts_event_ns", int(events[0]))) < 0
            self._notes.add(FindingCode.EVENT_DISORDER, batch.lines[back])
            self._last["ts_event_ns"] = int(events[-1])

    def _count(self, batch: Batch) -> None:
        moved = np.diff(batch.lines, prepend=self._last_line) != 0
        self._notes.rows_kept += int(moved.sum())
        self._notes.rows_made += len(batch.rows)
        self._last_line = int(batch.lines[-1])


class MarketChecks(Checks):
    """Checks of MARKET_DTYPE rows."""

    def _faults(self, rows: Rows) -> dict[FindingCode, Mask]:
        faults = self._time_faults(rows)
        price, quantity = rows["price"], rows["quantity"]
        if not (fits(price, 0, PRICE_MAX, strictly=True) and fits(quantity, 0, QUANTITY_MAX)):
            finite = np.isfinite(price) & np.isfinite(quantity)
            faults[FindingCode.NOT_A_NUMBER] = ~finite
            faults[FindingCode.NOT_POSITIVE] = finite & (price <= 0)
            faults[FindingCode.NEGATIVE_QUANTITY] = finite & (quantity < 0)
            faults[FindingCode.TOO_LARGE] = finite & ((price > PRICE_MAX) | (quantity > QUANTITY_MAX))
        return faults

    def _note_more(self, batch: Batch) -> None:
        rows = batch.rows
        unsized = (rows["quantity"] == 0) & (rows["kind"] == MarketKind.TRADE)
        if unsized.any():
            self._notes.add(
                FindingCode.ZERO_QUANTITY, batch.lines[unsized & ((rows["flags"] & MarketFlag.NO_QUANTITY) == 0)]
            )
        latency = rows["ts_received_ns"] - rows["ts_event_ns"]
        behind = latency < 0
        if behind.any():
            least, most = float(latency[behind].min()) / 1e6, float(latency[behind].max()) / 1e6
            low, high = self._latency_ms
            self._latency_ms = (min(low, least), most if high == 0 else max(high, most))
            detail = f"{-self._latency_ms[1]:.3f} to {-self._latency_ms[0]:.3f} ms"
            moved = np.diff(batch.lines, prepend=self._last_line) != 0
            self._notes.add(FindingCode.NEGATIVE_LATENCY, batch.lines[behind & moved], detail=detail)


class BarChecks(Checks):
    """Checks of BAR_DTYPE rows."""

    def _faults(self, rows: Rows) -> dict[FindingCode, Mask]:
        faults = self._time_faults(rows)
        prices = [rows[name] for name in ("open", "high", "low", "close")]
        volume = rows["volume"]
        if not (all(fits(one, 0, PRICE_MAX, strictly=True) for one in prices) and fits(volume, 0, QUANTITY_MAX)):
            finite = np.logical_and.reduce([np.isfinite(one) for one in (*prices, volume)])
            faults[FindingCode.NOT_A_NUMBER] = ~finite
            faults[FindingCode.NOT_POSITIVE] = finite & np.logical_or.reduce([one <= 0 for one in prices])
            faults[FindingCode.NEGATIVE_QUANTITY] = finite & (volume < 0)
            huge = np.logical_or.reduce([one > PRICE_MAX for one in prices]) | (volume > QUANTITY_MAX)
            faults[FindingCode.TOO_LARGE] = finite & huge
        opened, high, low, close = prices
        faults[FindingCode.BAD_OHLC] = (high < low) | (high < opened) | (high < close) | (low > opened) | (low > close)
        return faults

    def _note_more(self, batch: Batch) -> None:
        if self._intake.quantity != "none":
            self._notes.add(FindingCode.ZERO_VOLUME, batch.lines[batch.rows["volume"] == 0])


def _named(batch: Batch, mask: Mask) -> str:
    lines = np.unique(batch.lines[mask])
    more = f" and {len(lines) - ROWS_NAMED_MAX} more" if len(lines) > ROWS_NAMED_MAX else ""
    return ", ".join(map(str, lines[:ROWS_NAMED_MAX].tolist())) + more
