"""What formats of recorded messages share: rows gathered one by one, levels of books, lines that are no message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec
import numpy as np

from engine.feeds.errors import BadRows
from engine.feeds.intake import Batch, Intake
from engine.feeds.report import FindingCode
from events.rows import MARKET_DTYPE, MarketFlag, MarketKind, Side

BATCH_ROWS = 32_768
SHOWN_CHARACTERS = 80
SKIPPED_KINDS_MAX = 20  # that are counted by name

TRADE, BID, ASK = int(MarketKind.TRADE), int(MarketKind.BID), int(MarketKind.ASK)
SET, DELETE = int(MarketKind.BOOK_SET), int(MarketKind.BOOK_DELETE)
BUY, SELL, NONE = int(Side.BUY), int(Side.SELL), int(Side.NONE)
OFF_BOOK = int(MarketFlag.OFF_BOOK)
SNAPSHOT, FIRST = int(MarketFlag.SNAPSHOT), int(MarketFlag.SNAPSHOT | MarketFlag.CLEAR)

Level = tuple[float, float]  # price, quantity


class Moment:
    """Where and when the current message stands: its line, its two times, its instrument."""

    __slots__ = ("event_ns", "instrument", "line", "received_ns")

    def __init__(self) -> None:
        self.line = 0
        self.event_ns = 0
        self.received_ns = 0
        self.instrument = 0


class Gatherer:
    """Rows of messages, one tuple a row in the order of MARKET_DTYPE."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.now = Moment()
        self._rows: list[tuple[int, int, float, float, int, int, int, int, int]] = []
        self._lines: list[int] = []
        self._skipped: dict[str, int] = {}
        self._last_update: dict[int, int] = {}
        self._last_trade: dict[int, int] = {}

    @property
    def full(self) -> bool:
        """Whether it is time to take the rows."""
        return len(self._rows) >= BATCH_ROWS

    def take(self) -> Batch:
        """The rows so far, which are then forgotten."""
        batch = Batch(np.array(self._rows, MARKET_DTYPE), np.array(self._lines, np.int64))
        self._rows, self._lines = [], []
        return batch

    def trade(self, level: Level, id: int, side: int, flags: int = 0, *, dense: bool = False) -> None:
        """A print. `dense` says that ids of one instrument follow each other without a gap."""
        now = self.now
        self._rows.append((now.event_ns, now.received_ns, *level, id, now.instrument, TRADE, side, flags))
        self._lines.append(now.line)
        if dense:
            if id > self._last_trade.get(now.instrument, id - 1) + 1:
                self.intake.notes.add(FindingCode.ID_GAPS, [now.line])
            self._last_trade[now.instrument] = id
        if flags & OFF_BOOK:
            self.intake.notes.add(FindingCode.OFF_BOOK, [now.line])

    def quote(self, bid: Level, ask: Level, id: int) -> None:
        """A bid row and an ask row; a side without a price makes none."""
        now = self.now
        if bid[0] > ask[0] > 0:
            self.intake.notes.add(FindingCode.CROSSED, [now.line])
        if bid[0] == 0 or ask[0] == 0:
            self.intake.notes.add(FindingCode.ONE_SIDED, [now.line])
        for level, kind, side in ((bid, BID, BUY), (ask, ASK, SELL)):
            if level[0] != 0:
                self._rows.append((now.event_ns, now.received_ns, *level, id, now.instrument, kind, side, 0))
                self._lines.append(now.line)

    def levels(self, bids: Iterable[Level], asks: Iterable[Level], id: int) -> None:
        """Changed levels of a book; a quantity of 0 takes the level out."""
        now = self.now
        event_ns, received_ns, instrument = now.event_ns, now.received_ns, now.instrument
        before = len(self._rows)
        for side, levels in ((BUY, bids), (SELL, asks)):
            self._rows.extend(
                (event_ns, received_ns, price, quantity, id, instrument, SET if quantity else DELETE, side, 0)
                for price, quantity in levels
            )
        self._lines.extend([now.line] * (len(self._rows) - before))

    def snapshot(self, bids: Iterable[Level], asks: Iterable[Level], id: int) -> None:
        """A whole book; its first row clears what was there."""
        now = self.now
        flags = FIRST
        for side, levels in ((BUY, bids), (SELL, asks)):
            for level in levels:
                self._rows.append((now.event_ns, now.received_ns, *level, id, now.instrument, SET, side, flags))
                self._lines.append(now.line)
                flags = SNAPSHOT

    def chained(self, before: int, last: int) -> None:
        """A book update says that it follows update `before` and ends with `last`; a gap is noted."""
        instrument = self.now.instrument
        known = self._last_update.get(instrument, before)
        if before != known:
            self.intake.notes.add(FindingCode.UPDATE_GAPS, [self.now.line])
        self._last_update[instrument] = last

    def no_event_time(self) -> None:
        """The message has no time of the venue: the time of receipt stands in."""
        self.now.event_ns = self.now.received_ns
        self.intake.notes.add(FindingCode.NO_EVENT_TIME, [self.now.line])

    def skip(self, kind: str) -> None:
        """The message makes no row; counted by kind."""
        if len(self._skipped) >= SKIPPED_KINDS_MAX and kind not in self._skipped:
            kind = "other"
        self._skipped[kind] = self._skipped.get(kind, 0) + 1
        detail = ", ".join(f"{name} {count}" for name, count in sorted(self._skipped.items()))
        self.intake.notes.add(FindingCode.SKIPPED_MESSAGES, [self.now.line], detail=detail)


def lines_of(intake: Intake) -> Iterator[tuple[int, bytes]]:
    """Numbered lines without their ends; empty ones are counted and left out."""
    for block in intake.source.blocks():
        for number, line in enumerate(block.data.split(b"\n")[: block.line_count], start=block.first_line):
            line = line.rstrip(b"\r")
            if line:
                intake.notes.rows_read += 1
                yield number, line
            else:
                intake.notes.add(FindingCode.BLANK_LINES, [number])


def gathered(gatherer: Gatherer, take_line: Callable[[bytes], None]) -> Iterator[Batch]:
    """Batches of all lines of a file, each given to `take_line`.

    Raises:
        BadRows: a line that is not the JSON it should be, and the mapping does not skip bad rows.
    """
    intake = gatherer.intake
    for number, line in lines_of(intake):
        gatherer.now.line = number
        try:
            take_line(line)
        except (msgspec.DecodeError, ValueError, LookupError, TypeError, AttributeError) as error:
            shown = line[:SHOWN_CHARACTERS].decode("utf-8", "replace")
            detail = f"{error} in {shown!r}"
            if not intake.skips:
                raise BadRows(
                    f"{intake.source.name}, row {number} is not the message it should be: {detail}.",
                    field="file",
                    hint="Mend the file, or give bad_rows=skip to leave such rows out and count them.",
                ) from error
            intake.notes.add(FindingCode.UNPARSABLE, [number], detail=detail)
        if gatherer.full:
            yield gatherer.take()
    yield gatherer.take()
