"""Bybit's websocket messages of inverse contracts (version 1) as rows: book snapshots and changes, trades.

Quantities are contracts of one dollar. A snapshot has no time of its own.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.feeds.formats.messages import BUY, SELL, Gatherer, Level
from engine.feeds.intake import Intake
from engine.feeds.report import FindingCode

SIDES = {"Buy": BUY, "Sell": SELL}
US, MS = 1_000, 1_000_000


class BybitMessages:
    """Turns one message after the other into rows."""

    def __init__(self, intake: Intake, gatherer: Gatherer) -> None:
        self._intake = intake
        self._to = gatherer
        intake.quantity = "contracts"
        intake.notes.add(FindingCode.QUANTITY_UNIT, count=1, detail="inverse: contracts of one dollar")

    def take(self, message: bytes) -> None:
        """One message. Raises msgspec.DecodeError, LookupError, ValueError where it is not as documented."""
        data = msgspec.json.decode(message)
        topic, _, symbol = str(data.get("topic", "other")).partition(".")
        if topic == "trade":
            self._see(symbol)
            for trade in data["data"]:
                self._to.now.event_ns = int(trade["trade_time_ms"]) * MS
                self._to.trade((float(trade["price"]), float(trade["size"])), 0, SIDES[trade["side"]])
        elif topic.startswith("orderBook"):
            self._see(symbol)
            self._book(data)
        else:
            self._to.skip(topic)

    def _see(self, symbol: str) -> None:
        self._to.now.instrument = self._intake.instrument(symbol, "BYBIT", "perpetual")

    def _book(self, data: dict[str, Any]) -> None:
        time_us = data.get("timestamp_e6")
        if time_us:
            self._to.now.event_ns = int(time_us) * US
        else:
            self._to.no_event_time()
        sequence = int(data.get("cross_seq", 0))
        if data["type"] == "snapshot":
            levels = data["data"]
            self._to.snapshot(_side(levels, "Buy"), _side(levels, "Sell"), sequence)
        else:
            changes = data["data"]
            levels = [*changes["delete"], *changes["update"], *changes["insert"]]
            self._to.levels(_side(levels, "Buy"), _side(levels, "Sell"), sequence)


def _side(levels: list[dict[str, Any]], side: str) -> list[Level]:
    """Price and size of the levels of one side; a deleted level has no size."""
    return [(float(level["price"]), float(level.get("size", 0))) for level in levels if level["side"] == side]
