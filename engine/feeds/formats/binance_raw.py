"""Raw Binance websocket lines `<local time> <json>`; the local clock in microseconds (2023) or nanoseconds (2024).

The time of receipt is in order and is the designated one: spot quotes and snapshots have no time of the venue, and in
the 2024 files the local clock runs behind the venue's. Marks, klines and other streams are skipped and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.feeds.format import Format, Sample
from engine.feeds.formats.binance_messages import BinanceMessages
from engine.feeds.formats.messages import Gatherer, gathered
from engine.feeds.intake import Batch, Intake
from engine.feeds.report import FindingCode
from events.rows import MarketKind

SCALES = {10: 1_000_000_000, 13: 1_000_000, 16: 1_000, 19: 1}  # digits of a time of our days -> ns of one
FIRST = re.compile(r"\d{10,19} \{")


def fits(sample: Sample) -> bool:
    """A count, a space and a JSON object."""
    return FIRST.match(sample.line(0)) is not None


def read(intake: Intake) -> Iterator[Batch]:
    """Rows of all messages in the order of receipt."""
    gatherer = Gatherer(intake)
    messages = BinanceMessages(intake, gatherer)
    digits = 0

    def take_line(line: bytes) -> None:
        nonlocal digits
        stamp, _, message = line.partition(b" ")
        gatherer.now.received_ns = int(stamp) * SCALES[len(stamp)]
        if len(stamp) != digits:
            if digits:
                intake.notes.add(FindingCode.MIXED_CLOCKS, [gatherer.now.line], detail="the time of receipt")
            digits = len(stamp)
        messages.take(message)

    return gathered(gatherer, take_line)


FORMAT = Format(
    name="binance_raw",
    about="Raw Binance websocket lines with trades, best quotes, book updates and snapshots",
    kinds=(MarketKind.TRADE, MarketKind.BID, MarketKind.ASK, MarketKind.BOOK_SET, MarketKind.BOOK_DELETE),
    fits=fits,
    read=read,
    designated="received",
    book="levels",
)
