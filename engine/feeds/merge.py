"""Several feeds as one, in order of (designated time, feed order, row order), holding one chunk of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.catalogue import InstrumentForm
from engine.feeds.errors import BadMapping
from engine.feeds.feed import CHUNK_ROWS_MAX, Description, Feed, NumberOf, cut
from engine.feeds.file_feed import FileFeed, Keeping
from engine.feeds.hashing import import_id
from engine.feeds.pack import joined, reordered
from events.rows import MARKET_DTYPE, Rows

FEEDS_MAX = 256

Keys = NDArray[np.int64]


def merge(streams: Sequence[Iterator[Rows]], designated: str = "event") -> Iterator[Rows]:
    """Rows of all streams in chunks of at most `CHUNK_ROWS_MAX`.

    The key of a row is the running maximum of its stream's designated time, so rows of one stream never change
    places, whatever their times; equal keys go by the order of the streams. For streams in order this is a stable
    sort of all rows by time. Memory: one chunk of each stream.
    """
    heads = [head for at, stream in enumerate(streams) if (head := _Head.of(stream, at, f"ts_{designated}_ns"))]
    while heads:
        last = min(heads, key=lambda head: (head.last_key, head.order))
        parts = [head.take(last.last_key, last.order) for head in heads]
        yield from cut(_ordered(parts), CHUNK_ROWS_MAX)
        heads = [head for head in heads if head.filled()]


class _Head:
    """The chunk of one stream that is being merged."""

    def __init__(self, stream: Iterator[Rows], order: int, field: str) -> None:
        self.order = order
        self._stream = stream
        self._field = field
        self._rows: Rows = np.zeros(0, MARKET_DTYPE)
        self._keys: Keys = np.zeros(0, np.int64)
        self._reached = np.iinfo(np.int64).min
        self._at = 0

    @classmethod
    def of(cls, stream: Iterator[Rows], order: int, field: str) -> _Head | None:
        """The head of a stream, or None where the stream is empty."""
        head = cls(stream, order, field)
        return head if head.filled() else None

    @property
    def last_key(self) -> int:
        """Key of the last row at hand."""
        return int(self._keys[-1])

    def filled(self) -> bool:
        """Whether rows are at hand, after fetching the next chunk where there are none."""
        while self._at >= len(self._keys):
            rows = next(self._stream, None)
            if rows is None:
                return False
            self._rows, self._at = rows, 0
            self._keys = np.maximum(np.maximum.accumulate(rows[self._field]), self._reached)
            if len(rows):
                self._reached = int(self._keys[-1])
        return True

    def take(self, key: int, order: int) -> tuple[Rows, Keys]:
        """Rows that come before anything still unseen: below `key`, and at it for streams up to `order`."""
        side = "right" if self.order <= order else "left"
        end = max(self._at, int(np.searchsorted(self._keys, key, side)))  # type: ignore[call-overload]
        part = slice(self._at, end)
        self._at = end
        return self._rows[part], self._keys[part]


def _ordered(parts: list[tuple[Rows, Keys]]) -> Rows:
    parts = [part for part in parts if len(part[1])]
    if len(parts) == 1:
        return parts[0][0]
    order = np.argsort(np.concatenate([keys for _, keys in parts]), kind="stable")
    return reordered(joined([rows for rows, _ in parts]), order)


class MergedFeed:
    """Feeds merged in time. All hold market rows or all hold bars."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        if not 0 < len(feeds) <= FEEDS_MAX:
            raise BadMapping(f"1 to {FEEDS_MAX} feeds can be merged, not {len(feeds)}.", field="files")
        self.feeds = tuple(feeds)
        keeping = Keeping()
        for feed in self.feeds:
            if isinstance(feed, FileFeed):
                feed.keeping = keeping
        self._description: Description | None = None

    def survey(self) -> Description:
        """All feeds' descriptions as one.

        Raises:
            FeedError: one of them cannot be read, or ticks and bars are mixed.
        """
        if self._description is None:
            self._description = _united([feed.survey() for feed in self.feeds])
        return self._description

    def chunks(self, number: NumberOf) -> Iterator[Rows]:
        """All rows in order."""
        told = self.survey()
        numbers = {(form.symbol, form.venue): number(form) for form in told.instruments}
        chunks = [feed.chunks(lambda form: numbers[form.symbol, form.venue]) for feed in self.feeds]
        yield from merge(chunks, told.designated)

    def import_id(self) -> str:
        """Hash of the files' bytes in their order and of how each is read; of file feeds only."""
        files = [(feed.path, feed.reading()) for feed in self.feeds if isinstance(feed, FileFeed)]
        assert len(files) == len(self.feeds), "only files have an import id"
        return import_id(files)


def _united(parts: list[Description]) -> Description:
    if len({part.section for part in parts}) > 1:
        raise BadMapping("Ticks and bars cannot be merged into one recording.", field="files")
    one = {name: {getattr(part, name) for part in parts} for name in ("designated", "quantity", "book")}
    firsts = [part.first_ns for part in parts if part.first_ns is not None]
    lasts = [part.last_ns for part in parts if part.last_ns is not None]
    counts = [part.rows for part in parts if part.rows is not None]
    return Description(
        instruments=_instruments(parts),
        kinds=tuple(dict.fromkeys(kind for part in parts for kind in part.kinds)),
        section=parts[0].section,
        designated=parts[0].designated if len(one["designated"]) == 1 else "event",
        quantity=parts[0].quantity if len(one["quantity"]) == 1 else "base",
        book=next((part.book for part in parts if part.book != "none"), "none"),
        mapping=f"[{','.join(part.mapping or '{}' for part in parts)}]",
        rows=sum(counts) if len(counts) == len(parts) else None,
        first_ns=min(firsts, default=None),
        last_ns=max(lasts, default=None),
        reports=tuple(report for part in parts for report in part.reports),
    )


def _instruments(parts: list[Description]) -> tuple[InstrumentForm, ...]:
    """Every instrument once, in the order of the feeds, with the finer of its steps."""
    known: dict[tuple[str, str], InstrumentForm] = {}
    for form in (form for part in parts for form in part.instruments):
        before = known.setdefault((form.symbol, form.venue), form)
        known[form.symbol, form.venue] = msgspec.structs.replace(
            before,
            price_step=_finer(before.price_step, form.price_step),
            quantity_step=_finer(before.quantity_step, form.quantity_step),
        )
    return tuple(known.values())


def _finer(one: float, other: float) -> float:
    return min(one, other) if one and other else 0.0
