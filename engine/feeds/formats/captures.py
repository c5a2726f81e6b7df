"""Captures of exchange websockets as cryptofeed writes them: `<seconds>: <json>`, and `wss://` lines for what was sent.

The first line names the exchange. Read are the dialects of Binance, Coinbase, Kraken and Bybit (inverse, version 1);
those of others are refused by name. The time of receipt is in order and is the designated one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.feeds.errors import UnknownFormat
from engine.feeds.format import Format, Sample
from engine.feeds.formats.binance_messages import BinanceMessages
from engine.feeds.formats.capture_bybit import BybitMessages
from engine.feeds.formats.capture_coinbase import CoinbaseMessages
from engine.feeds.formats.capture_kraken import KrakenMessages
from engine.feeds.formats.messages import Gatherer, gathered
from engine.feeds.intake import Batch, Intake
from engine.feeds.report import FindingCode
from events.rows import MarketKind

NS_DIGITS = 9

Take = Callable[[bytes], None]
DIALECTS: dict[str, Callable[[Intake, Gatherer], Take]] = {
    "binance": lambda intake, gatherer: BinanceMessages(intake, gatherer).take,
    "coinbase": lambda intake, gatherer: CoinbaseMessages(intake, gatherer).take,
    "kraken": lambda intake, gatherer: KrakenMessages(intake, gatherer).take,
    "bybit": lambda intake, gatherer: BybitMessages(intake, gatherer).take,
}


def fits(sample: Sample) -> bool:
    """The address line."""
    return sample.line(0).startswith("wss://")


def read(intake: Intake) -> Iterator[Batch]:
    """Rows of all messages in the order of receipt.

    Raises:
        UnknownFormat: the capture is of an exchange whose dialect is not read.
    """
    address = intake.source.head_lines()[0].split(" ")[0]
    host = address.removeprefix("wss://").split("/")[0]
    dialect = next((name for name in DIALECTS if name in host), None)
    if dialect is None:
        raise UnknownFormat(
            f"{intake.source.name} is a capture of {address[:80]}, whose messages are not read.",
            field="file",
            hint=f"Dialects: {', '.join(DIALECTS)}.",
        )
    gatherer = Gatherer(intake)
    take = DIALECTS[dialect](intake, gatherer)

    def take_line(line: bytes) -> None:
        if line.startswith(b"wss://"):
            intake.notes.rows_read -= 1
            intake.notes.add(FindingCode.SKIPPED_LINES, [gatherer.now.line])
            return
        stamp, _, message = line.partition(b": ")
        gatherer.now.received_ns = decimal_ns(stamp.decode())
        take(message)

    return gathered(gatherer, take_line)


def decimal_ns(seconds: str) -> int:
    """ns of decimal seconds, exactly; digits beyond the ninth are cut."""
    whole, _, fraction = seconds.partition(".")
    return int(whole + fraction[:NS_DIGITS].ljust(NS_DIGITS, "0"))


FORMAT = Format(
    name="capture",
    about="cryptofeed captures of Binance, Coinbase, Kraken or Bybit websockets",
    kinds=(MarketKind.TRADE, MarketKind.BID, MarketKind.ASK, MarketKind.BOOK_SET, MarketKind.BOOK_DELETE),
    fits=fits,
    read=read,
    designated="received",
    book="levels",
)
