"""Coinbase's websocket messages as rows: snapshots, level 2 changes, matches.

The side of a match is the maker's, so the aggressor is the other one. `last_match` is a trade from before the
capture and `ticker` repeats matches: both are skipped. A snapshot has no time of its own.
"""

from __future__ import annotations

import msgspec

from engine.feeds.formats.messages import BUY, SELL, Gatherer
from engine.feeds.intake import Intake
from events.clock import from_iso

MAKER_SIDE = {"sell": BUY, "buy": SELL}


class _Message(msgspec.Struct):
    type: str
    product_id: str = ""
    time: str = ""
    price: float = 0.0
    size: float = 0.0
    side: str = ""
    trade_id: int = 0
    changes: list[tuple[str, float, float]] = []
    bids: list[tuple[float, float]] = []
    asks: list[tuple[float, float]] = []


_DECODER = msgspec.json.Decoder(_Message, strict=False)


class CoinbaseMessages:
    """Turns one message after the other into rows."""

    def __init__(self, intake: Intake, gatherer: Gatherer) -> None:
        self._intake = intake
        self._to = gatherer

    def take(self, message: bytes) -> None:
        """One message. Raises msgspec.DecodeError, KeyError, ValueError where it is not as documented."""
        data = _DECODER.decode(message)
        if data.type not in ("match", "l2update", "snapshot"):
            self._to.skip(data.type)
            return
        self._to.now.instrument = self._intake.instrument(data.product_id, "COINBASE")
        if data.time:
            self._to.now.event_ns = from_iso(data.time)
        else:
            self._to.no_event_time()
        if data.type == "match":
            self._to.trade((data.price, data.size), data.trade_id, MAKER_SIDE[data.side], dense=True)
        elif data.type == "snapshot":
            self._to.snapshot(data.bids, data.asks, 0)
        else:
            bids = [(price, size) for side, price, size in data.changes if side == "buy"]
            asks = [(price, size) for side, price, size in data.changes if side == "sell"]
            self._to.levels(bids, asks, 0)
