"""Frames of the tape as columns of one table: what both market stores write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from events.frames import NEWEST
from events.rows import BAR_DTYPE, MARKET_DTYPE, ROW_DTYPES, MarketKind, Rows, SectionKind
from projections.market_store import EVENT_NS_MAX, EVENT_NS_MIN, DecisionFrame, MarketFrame

QUOTE_KINDS = (MarketKind.BID, MarketKind.ASK)


class Columns(msgspec.Struct, frozen=True):
    """Rows of one table. `owners[codes[i]]` is the source or session of row i; the rest are arrays of length n."""

    owners: tuple[str, ...]
    codes: NDArray[np.int32]
    sequence: NDArray[np.int64]
    index: NDArray[np.int32]
    rows: Rows
    ordinal: NDArray[np.int64] | None = None  # of decisions

    def __len__(self) -> int:
        return len(self.rows)

    def taken(self, which: NDArray[np.bool_] | slice) -> Columns:
        """Some of the rows."""
        ordinal = None if self.ordinal is None else self.ordinal[which]
        return Columns(
            self.owners, self.codes[which], self.sequence[which], self.index[which], self.rows[which], ordinal
        )

    def batches(self, rows_max: int) -> Iterator[Columns]:
        """Parts of at most `rows_max` rows, in order."""
        for start in range(0, len(self), rows_max):
            yield self.taken(slice(start, start + rows_max))


def market_columns(frames: Sequence[MarketFrame]) -> tuple[Columns, Columns, Columns]:
    """Trades, quotes and bars of the frames, each in the order of the tape, without rows of other times than
    `EVENT_NS_MIN` to `EVENT_NS_MAX`.
    """
    rows = _joined([frame for frame in frames if frame.rows.dtype == MARKET_DTYPE], MARKET_DTYPE)
    bars = _joined([frame for frame in frames if frame.rows.dtype == BAR_DTYPE], BAR_DTYPE)
    kinds = rows.rows["kind"]
    return rows.taken(kinds == MarketKind.TRADE), rows.taken(np.isin(kinds, QUOTE_KINDS)), bars


def decision_columns(frames: Sequence[DecisionFrame], kind: SectionKind) -> Columns:
    """The rows of one kind, with their ordinals; times as in `market_columns`."""
    mine = [frame for frame in frames if frame.kind is kind]
    columns = _all_joined(mine, ROW_DTYPES[kind, NEWEST[kind]])
    first = np.repeat(np.array([frame.ordinal for frame in mine], "<i8"), [len(frame.rows) for frame in mine])
    return _timely(msgspec.structs.replace(columns, ordinal=first + columns.index))


def _joined(frames: Sequence[MarketFrame], dtype: np.dtype) -> Columns:
    return _timely(_all_joined(frames, dtype))


def _all_joined(frames: Sequence[MarketFrame | DecisionFrame], dtype: np.dtype) -> Columns:
    lengths = [len(frame.rows) for frame in frames]
    names = [frame.source if isinstance(frame, MarketFrame) else frame.session for frame in frames]
    owners = tuple(dict.fromkeys(names))
    numbers = {name: number for number, name in enumerate(owners)}
    first = np.array([getattr(frame, "index", 0) for frame in frames], "<i4")
    starts = np.cumsum([0, *lengths])[:-1]
    rows = np.concatenate([np.empty(0, dtype), *(frame.rows for frame in frames)])
    return Columns(
        owners=owners,
        codes=np.repeat(np.array([numbers[name] for name in names], "<i4"), lengths),
        sequence=np.repeat(np.array([frame.sequence for frame in frames], "<i8"), lengths),
        index=np.arange(len(rows), dtype="<i4") + np.repeat((first - starts).astype("<i4"), lengths),
        rows=rows,
    )


def _timely(columns: Columns) -> Columns:
    outside = _outside(columns.rows)
    return columns.taken(~outside) if outside.any() else columns


def left_out(frames: Sequence[MarketFrame | DecisionFrame]) -> list[tuple[int, int]]:
    """(sequence, rows) of each frame that has rows of times that no market store keeps."""
    return [(frame.sequence, int(outside.sum())) for frame in frames if (outside := _outside(frame.rows)).any()]


def _outside(rows: Rows) -> NDArray[np.bool_]:
    times = rows["ts_event_ns"]
    return np.asarray((times < EVENT_NS_MIN) | (times > EVENT_NS_MAX))
