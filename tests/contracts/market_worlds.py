"""What the suite of market stores writes, and a plain-Python account of what must be read back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from events.rows import BAR_DTYPE, MARKET_DTYPE, ROW_DTYPES, MarketFlag, MarketKind, Rows, SectionKind
from projections.batch import Checkpoint
from projections.market_store import (
    BAR_ROW,
    CANDLE_ROW,
    TICK_ROW,
    DecisionFrame,
    Interval,
    MarketFrame,
    MarketStore,
)

START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000


class World:
    """A store with a source and a session of its own, and sequences that nobody else uses."""

    numbers: dict[type, int] = {}  # noqa: RUF012 - per kind of store, over all tests
    last: dict[type, int] = {}  # noqa: RUF012

    def __init__(self, store: MarketStore) -> None:
        self.store = store
        kind = type(store)
        number = self.numbers[kind] = self.numbers.get(kind, 0) + 1
        self.source = f"source-{number}"
        self.session = f"session-{number}"
        self.frames: list[MarketFrame] = []

    def sequence(self) -> int:
        """The next one of the tape."""
        kind = type(self.store)
        self.last[kind] = self.last.get(kind, 0) + 1
        return self.last[kind]

    def framed(self, rows: Rows, frame_rows: int = 40, source: str | None = None) -> list[MarketFrame]:
        """Rows in frames of consecutive sequences."""
        starts = range(0, len(rows), frame_rows)
        parts = [rows[start : start + frame_rows] for start in starts]
        return [MarketFrame(source or self.source, self.sequence(), part) for part in parts]

    def decided(self, kind: SectionKind, rows: Rows, frame_rows: int = 7, session: str = "") -> list[DecisionFrame]:
        """Decision rows in messages, with their ordinals."""
        return [
            DecisionFrame(session or self.session, self.sequence(), kind, rows[start : start + frame_rows], start)
            for start in range(0, len(rows), frame_rows)
        ]

    async def put(self, frames: Sequence[MarketFrame | DecisionFrame]) -> int:
        """Write, move the checkpoint, and wait until all is visible; the last sequence."""
        market = [frame for frame in frames if isinstance(frame, MarketFrame)]
        decisions = [frame for frame in frames if isinstance(frame, DecisionFrame)]
        self.frames += market
        last = max(frame.sequence for frame in frames)
        await asyncio.to_thread(self.store.write_market, market)
        await asyncio.to_thread(self.store.write_decisions, decisions)
        await asyncio.to_thread(self.store.set_checkpoint, Checkpoint("epoch", last, "digest"))
        await self.store.wait_visible(last)
        return await self.store.wait_visible(last, candles=True)

    def placed(self, dtype: np.dtype, as_of: int | None = None) -> Rows:
        """All rows written so far, each once, in order of event time and place."""
        parts = [placed(frame) for frame in self.frames if as_of is None or frame.sequence <= as_of]
        rows = np.concatenate([np.empty(0, dtype), *(part for part in parts if part.dtype == dtype)])
        return np.unique(rows[np.lexsort((rows["index"], rows["sequence"], rows["ts_event_ns"]))], sorted=False) \
            if False else in_order(rows)


def placed(frame: MarketFrame | DecisionFrame) -> Rows:
    """The rows of a frame with their place on the tape, as the store gives them back."""
    dtype = TICK_ROW if frame.rows.dtype == MARKET_DTYPE else BAR_ROW
    rows = np.zeros(len(frame.rows), dtype)
    for name in frame.rows.dtype.names or ():
        rows[name] = frame.rows[name]
    rows["sequence"] = frame.sequence
    rows["index"] = np.arange(len(rows)) + getattr(frame, "index", 0)
    return rows


def in_order(rows: Rows) -> Rows:
    """By event time, then by place on the tape."""
    return rows[np.lexsort((rows["index"], rows["sequence"], rows["ts_event_ns"]))]
