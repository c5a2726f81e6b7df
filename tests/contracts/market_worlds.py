"""What the suite of market stores writes, and a plain-Python account of what must be read back."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np

from events.rows import BAR_DTYPE, MARKET_DTYPE, ROW_DTYPES, MarketFlag, MarketKind, Rows, SectionKind
from projections.batch import Checkpoint
from projections.market_store import (
    BAR_ROW,
    CANDLE_ROW,
    DECISION_ROWS,
    PRICE_ROW,
    TICK_ROW,
    DecisionFrame,
    Interval,
    Limits,
    MarketFrame,
    MarketStore,
    Span,
)

START_NS = 1_700_000_040_000_000_000  # a whole minute
SECOND_NS = 1_000_000_000
LIMITS = Limits(batch_rows_max=100, wait_seconds_max=20.0)
ALL = 1_000
EVERYTHING = Span(limit=ALL)
FLOATS = ("volume", "turnover")  # sums: their last digits depend on the order of adding


class World:
    """A store with a source and a session of its own, and sequences that nobody else uses."""

    _numbers: ClassVar[defaultdict[type, int]] = defaultdict(int)
    _sequences: ClassVar[defaultdict[type, int]] = defaultdict(int)

    def __init__(self, store: MarketStore) -> None:
        self.store = store
        self._numbers[type(store)] += 1
        self.source = f"source-{self._numbers[type(store)]}"
        self.session = f"session-{self._numbers[type(store)]}"

    def sequence(self) -> int:
        """The next one of the tape."""
        self._sequences[type(self.store)] += 1
        return self._sequences[type(self.store)]

    def framed(self, rows: Rows, frame_rows: int = 40) -> list[MarketFrame]:
        """Market or bar rows in frames of consecutive sequences."""
        return [MarketFrame(self.source, self.sequence(), part) for part in _cut(rows, frame_rows)]

    def decided(self, kind: SectionKind, rows: Rows, frame_rows: int = 7, session: str = "") -> list[DecisionFrame]:
        """Decision rows in messages, with their ordinals."""
        parts = enumerate(_cut(rows, frame_rows))
        return [
            DecisionFrame(session or self.session, self.sequence(), kind, part, at * frame_rows) for at, part in parts
        ]

    async def put(self, frames: Sequence[MarketFrame | DecisionFrame]) -> int:
        """Write, move the checkpoint to a new sequence, and wait until all up to it is visible; that sequence."""
        last = self.sequence()
        await asyncio.to_thread(self._write, frames, last)
        await self.store.wait_visible(last)
        return await self.store.wait_visible(last, candles=True)

    def _write(self, frames: Sequence[MarketFrame | DecisionFrame], last: int) -> None:
        self.store.write_market([frame for frame in frames if isinstance(frame, MarketFrame)])
        self.store.write_decisions([frame for frame in frames if isinstance(frame, DecisionFrame)])
        self.store.set_checkpoint(Checkpoint("epoch", last, "digest"))


def _cut(rows: Rows, length: int) -> list[Rows]:
    return [rows[start : start + length] for start in range(0, len(rows), length)]


def market_rows(seed: int, count: int, instruments: Sequence[int] = (1, 2, 3), seconds: int = 3 * 3600) -> Rows:
    """MARKET_DTYPE[count] with what markets do: equal times, late rows, prints that do not count, all kinds."""
    chance = np.random.Generator(np.random.Philox(key=seed))
    rows = np.zeros(count, MARKET_DTYPE)
    times = np.sort(chance.integers(0, seconds * 4, count)) * (SECOND_NS // 4)
    late = chance.random(count) < 0.1
    times[late] -= chance.integers(0, 600 * SECOND_NS, late.sum())
    rows["ts_event_ns"] = START_NS + 600 * SECOND_NS + times
    rows["ts_received_ns"] = rows["ts_event_ns"] + chance.integers(0, SECOND_NS, count)
    rows["price"] = np.round(100 + np.cumsum(chance.normal(0, 0.05, count)), 2)
    rows["quantity"] = np.round(chance.exponential(1, count), 5)
    rows["id"] = chance.integers(-(2**63) + 1, 2**63 - 1, count)
    rows["instrument"] = chance.choice(instruments, count)
    rows["kind"] = chance.choice([1, 1, 1, 1, 2, 3, 4, 5, 6], count)
    rows["side"] = chance.choice([-1, 0, 1], count)
    rows["flags"] = chance.choice([0, 0, 0, 1, 32, int(MarketFlag.OFF_BOOK), 0xFFFF], count)
    rows["price"][chance.random(count) < 0.02] = 0.0
    return rows


def bar_rows(seed: int, count: int, interval_ns: int, instrument: int = 1) -> Rows:
    """BAR_DTYPE[count], one after the other with holes."""
    chance = np.random.Generator(np.random.Philox(key=seed))
    rows = np.zeros(count, BAR_DTYPE)
    starts = np.cumsum(chance.choice([1, 1, 1, 2, 7], count))
    rows["ts_event_ns"] = START_NS // interval_ns * interval_ns + starts * interval_ns
    rows["ts_received_ns"] = rows["ts_event_ns"] + interval_ns
    for name in ("open", "high", "low", "close"):
        rows[name] = np.round(chance.uniform(90, 110, count), 4)
    rows["volume"] = np.round(chance.exponential(10, count), 3)
    rows["interval_ns"], rows["instrument"] = interval_ns, instrument
    rows["trades"] = chance.integers(0, 100, count)
    return rows


def decision_rows(seed: int, kind: SectionKind, count: int) -> Rows:
    """Rows of a kind of decision in loop time, the other fields anything; padding is zero as on the tape."""
    chance = np.random.Generator(np.random.Philox(key=seed))
    dtype = ROW_DTYPES[kind, 1]
    rows = np.zeros(count, dtype)
    for name in dtype.names or ():
        if dtype[name].kind == "f":
            rows[name] = chance.normal(0, 1e6, count)
        elif not name.startswith("pad"):
            bound = np.iinfo(dtype[name]).max
            rows[name] = chance.integers(0, bound, count, dtype=dtype[name])
    if "instrument" in (dtype.names or ()):
        rows["instrument"] = chance.integers(0, 3, count)
    rows["ts_event_ns"] = START_NS + np.sort(chance.integers(0, 1_000, count)) * SECOND_NS
    return rows


# --- what must be read back ---------------------------------------------------------------------------------------


def placed(frames: Iterable[MarketFrame | DecisionFrame], dtype: np.dtype, as_of: int | None = None) -> Rows:
    """The rows of frames with their place on the tape, by event time, then by place: dtype[n]."""
    parts = [np.empty(0, dtype)]
    for frame in frames:
        if frame.rows.dtype.names == dtype.names[-len(frame.rows.dtype.names) :] and frame.sequence <= (as_of or 2**62):
            part = np.zeros(len(frame.rows), dtype)
            for name in frame.rows.dtype.names or ():
                part[name] = frame.rows[name]
            part["sequence"], part["index"] = frame.sequence, np.arange(len(part)) + getattr(frame, "index", 0)
            if "ordinal" in (dtype.names or ()):
                part["ordinal"] = frame.ordinal + np.arange(len(part))
            parts.append(part)
    rows = np.concatenate(parts)
    return rows[np.lexsort((rows["index"], rows["sequence"], rows["ts_event_ns"]))]


def ticks_of(frames: Iterable[MarketFrame], as_of: int | None = None) -> Rows:
    """All trades."""
    rows = placed(frames, TICK_ROW, as_of)
    return rows[rows["kind"] == MarketKind.TRADE]


def counted(ticks: Rows) -> Rows:
    """The trades that make candles and prices."""
    return ticks[(ticks["price"] > 0) & (ticks["flags"] & MarketFlag.OFF_BOOK == 0)]


def mids_of(rows: Rows, instrument: int, length_ns: int) -> Rows:
    """Candles of the middle of bids and asks of placed market rows: CANDLE_ROW[n]."""
    rows = rows[(rows["instrument"] == instrument) & (rows["price"] > 0)]
    rows = rows[np.isin(rows["kind"], (MarketKind.BID, MarketKind.ASK))]
    found = []
    for start in np.unique(rows["ts_event_ns"] // length_ns * length_ns):
        mine = rows[rows["ts_event_ns"] // length_ns * length_ns == start]
        sides = [mine["price"][mine["kind"] == kind] for kind in (MarketKind.BID, MarketKind.ASK)]
        if all(len(side) for side in sides):
            row = np.zeros(1, CANDLE_ROW)
            row["ts_open_ns"], row["ts_last_ns"], row["instrument"] = start, mine["ts_event_ns"].max(), instrument
            row["open"], row["close"] = (sum(side[at] for side in sides) / 2 for at in (0, -1))
            row["high"], row["low"] = (sum(of(side) for side in sides) / 2 for of in (np.max, np.min))
            row["first_sequence"], row["last_sequence"] = mine["sequence"].min(), mine["sequence"].max()
            found.append(row)
    return np.concatenate([np.empty(0, CANDLE_ROW), *found])


def candles_of(ticks: Rows, instrument: int, length_ns: int) -> Rows:
    """Candles of trades in their order: CANDLE_ROW[n], oldest first."""
    groups: defaultdict[int, list[np.void]] = defaultdict(list)
    for tick in counted(ticks):
        if tick["instrument"] == instrument:
            groups[int(tick["ts_event_ns"]) // length_ns * length_ns].append(tick)
    return _candles({start: np.array(rows, TICK_ROW) for start, rows in groups.items()}, instrument)


def _candles(groups: dict[int, Rows], instrument: int) -> Rows:
    candles = np.zeros(len(groups), CANDLE_ROW)
    for candle, (start, rows) in zip(candles, sorted(groups.items()), strict=True):
        candle["ts_open_ns"], candle["ts_last_ns"] = start, rows["ts_event_ns"][-1]
        candle["open"], candle["close"] = rows["price"][0], rows["price"][-1]
        candle["high"], candle["low"] = rows["price"].max(), rows["price"].min()
        candle["volume"] = rows["quantity"].sum()
        candle["turnover"] = (rows["price"] * rows["quantity"]).sum()
        candle["trades"] = len(rows)
        candle["first_sequence"], candle["last_sequence"] = rows["sequence"].min(), rows["sequence"].max()
        candle["instrument"] = instrument
    return candles


def bar_candles_of(bars: Rows, length_ns: int) -> Rows:
    """Candles of one instrument's bars of one interval, each start counted once, the later one on the tape."""
    once = {int(bar["ts_event_ns"]): bar for bar in bars[np.lexsort((bars["index"], bars["sequence"]))]}
    groups: defaultdict[int, list[np.void]] = defaultdict(list)
    for start in sorted(once):
        groups[start // length_ns * length_ns].append(once[start])
    candles = np.zeros(len(groups), CANDLE_ROW)
    for candle, (start, members) in zip(candles, sorted(groups.items()), strict=True):
        rows = np.array(members, BAR_ROW)
        candle["ts_open_ns"], candle["ts_last_ns"] = start, rows["ts_event_ns"][-1]
        candle["open"], candle["close"] = rows["open"][0], rows["close"][-1]
        candle["high"], candle["low"] = rows["high"].max(), rows["low"].min()
        candle["volume"], candle["turnover"] = rows["volume"].sum(), (rows["close"] * rows["volume"]).sum()
        candle["trades"] = rows["trades"].sum()
        candle["first_sequence"], candle["last_sequence"] = rows["sequence"].min(), rows["sequence"].max()
        candle["instrument"] = rows["instrument"][0]
    return candles


def prices_of(ticks: Rows) -> Rows:
    """The newest price of each instrument: PRICE_ROW[n] by instrument."""
    newest = {int(tick["instrument"]): tick for tick in counted(ticks)}
    rows = np.zeros(len(newest), PRICE_ROW)
    for row, number in zip(rows, sorted(newest), strict=True):
        row["ts_event_ns"], row["price"] = newest[number]["ts_event_ns"], newest[number]["price"]
        row["instrument"] = number
    return rows


def stats_of(ticks: Rows, first_ns: int, until_ns: int) -> Rows:
    """What each instrument did in [first_ns, until_ns): CANDLE_ROW[n] by instrument."""
    mine = counted(ticks)
    mine = mine[(mine["ts_event_ns"] >= first_ns) & (mine["ts_event_ns"] < until_ns)]
    parts = [np.empty(0, CANDLE_ROW)]
    for number in np.unique(mine["instrument"]):
        rows = mine[mine["instrument"] == number]
        start = int(rows["ts_event_ns"][0]) // Interval.M1.ns * Interval.M1.ns
        parts.append(_candles({start: rows}, int(number)))
    return np.concatenate(parts)


def assert_same(found: Rows, wanted: Rows) -> None:
    """Every field exactly, but sums to 1e-12 of their size."""
    assert found.dtype == wanted.dtype
    assert len(found) == len(wanted)
    for name in wanted.dtype.names or ():
        if name in FLOATS and wanted.dtype == CANDLE_ROW:
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-12, atol=1e-12)
        else:
            np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


def decisions_of(frames: Iterable[DecisionFrame], kind: SectionKind) -> Rows:
    """All rows of a kind."""
    return placed([frame for frame in frames if frame.kind is kind], DECISION_ROWS[kind])
