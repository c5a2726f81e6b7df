"""Frames of the tape as columns of one table: what both market stores write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from events.errors import InvalidInput
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
    """Trades, quotes and bars of the frames, each in the order of the tape.

    Raises:
        InvalidInput: an event time before 1970 or after 2261.
    """
    rows = _joined([frame for frame in frames if frame.rows.dtype == MARKET_DTYPE], MARKET_DTYPE)
    bars = _joined([frame for frame in frames if frame.rows.dtype == BAR_DTYPE], BAR_DTYPE)
    kinds = rows.rows["kind"]
    return rows.taken(kinds == MarketKind.TRADE), rows.taken(np.isin(kinds, QUOTE_KINDS)), bars


def decision_columns(frames: Sequence[DecisionFrame], kind: SectionKind) -> Columns:
    """The rows of one kind, with their ordinals. Raises as `market_columns`."""
    mine = [frame for frame in frames if frame.kind is kind]
    columns = _joined(mine, ROW_DTYPES[kind, NEWEST[kind]])
    first = np.repeat(np.array([frame.ordinal for frame in mine], "<i8"), [len(frame.rows) for frame in mine])
    return msgspec.structs.replace(columns, ordinal=first + columns.index)


def _joined(frames: Sequence[MarketFrame | DecisionFrame], dtype: np.dtype) -> Columns:
    lengths = [len(frame.rows) for frame in frames]
    names = [frame.source if isinstance(frame, MarketFrame) else frame.session for frame in frames]
    owners = tuple(dict.fromkeys(names))
    numbers = {name: number for number, name in enumerate(owners)}
    first = np.array([getattr(frame, "index", 0) for frame in frames], "<i4")
    starts = np.cumsum([0, *lengths])[:-1]
    rows = np.concatenate([np.empty(0, dtype), *(frame.rows for frame in frames)])
    columns = Columns(
        owners=owners,
        codes=np.repeat(np.array([numbers[name] for name in names], "<i4"), lengths),
        sequence=np.repeat(np.array([frame.sequence for frame in frames], "<i8"), lengths),
        index=np.arange(len(rows), dtype="<i4") + np.repeat((first - starts).astype("<i4"), lengths),
        rows=rows,
    )
    _check_times(columns)
    return columns


def _check_times(columns: Columns) -> None:
    times = columns.rows["ts_event_ns"]
    outside = np.flatnonzero((times < EVENT_NS_MIN) | (times > EVENT_NS_MAX))
    if len(outside):
        at = int(outside[0])
        raise InvalidInput(
            f"Row {columns.index[at]} of message {columns.sequence[at]} ({columns.owners[columns.codes[at]]}) has an"
            f" event time that is not within 1970 to 2261: {times[at]} ns.",
            field="ts_event_ns",
            hint="The market store cannot keep such rows; leave them out of the import.",
        )
