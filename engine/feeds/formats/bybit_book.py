"""Bybit's `ob500` archives: one JSON message a line, a snapshot of 500 levels a side and its changes.

`cts` is the time of the matching engine, `ts` the time the message was made; the latter stands for receipt.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from engine.feeds.format import Format, Sample
from engine.feeds.formats.messages import Gatherer, Level, gathered
from engine.feeds.intake import Batch, Intake
from events.rows import MarketKind

MS = 1_000_000


class _Book(msgspec.Struct):
    s: str
    b: list[Level]
    a: list[Level]
    u: int


class _Message(msgspec.Struct):
    type: str
    ts: int
    data: _Book
    cts: int = 0


_DECODER = msgspec.json.Decoder(_Message, strict=False)


def fits(sample: Sample) -> bool:
    """The topic at the start of its first line."""
    return sample.line(0).startswith('{"topic":"orderbook.')


def read(intake: Intake) -> Iterator[Batch]:
    """Book rows."""
    gatherer = Gatherer(intake)

    def take_line(line: bytes) -> None:
        message = _DECODER.decode(line)
        now, book = gatherer.now, message.data
        now.event_ns, now.received_ns = (message.cts or message.ts) * MS, message.ts * MS
        now.instrument = intake.instrument(book.s, "BYBIT")
        if message.type == "snapshot":
            gatherer.chained(book.u, book.u)
            gatherer.snapshot(book.b, book.a, book.u)
        else:
            gatherer.chained(book.u - 1, book.u)
            gatherer.levels(book.b, book.a, book.u)

    return gathered(gatherer, take_line)


FORMAT = Format(
    name="bybit_book",
    about="Bybit ob500 book archives, JSON lines",
    kinds=(MarketKind.BOOK_SET, MarketKind.BOOK_DELETE),
    fits=fits,
    read=read,
    book="levels",
)
