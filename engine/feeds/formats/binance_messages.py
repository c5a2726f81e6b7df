"""Binance's websocket messages as rows: trades, aggregated trades, best quotes, book updates, book snapshots."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.feeds.formats.binance_markets import COINM, asset_type_of, is_coin_symbol, venue_in_name, venue_in_text
from engine.feeds.formats.messages import BUY, OFF_BOOK, SELL, Gatherer, Level
from engine.feeds.intake import Intake
from engine.feeds.report import FindingCode
from engine.feeds.symbols import symbol_in_name

MS = 1_000_000
STREAMS_MAX = 10_000  # names that are remembered
STREAM = b'{"stream":"'


class _Trade(msgspec.Struct):
    s: str
    p: float
    q: float
    m: bool
    T: int
    t: int = 0
    a: int = 0  # aggregated trades have this id instead
    X: str = "MARKET"


class _Quote(msgspec.Struct):
    s: str
    u: int
    b: float
    B: float
    a: float
    A: float
    T: int = 0


class _Depth(msgspec.Struct):
    s: str
    E: int
    U: int
    u: int
    b: list[Level]
    a: list[Level]
    T: int = 0
    pu: int = -1


class _TradeMessage(msgspec.Struct):
    data: _Trade


class _QuoteMessage(msgspec.Struct):
    data: _Quote


class _DepthMessage(msgspec.Struct):
    data: _Depth


class _Snapshot(msgspec.Struct):
    last_update: int = msgspec.field(name="lastUpdateId")
    bids: list[Level]
    asks: list[Level]
    T: int = 0
    symbol: str = ""


def _decoder(kind: type) -> msgspec.json.Decoder:
    return msgspec.json.Decoder(kind, strict=False)  # prices and quantities are text


_TRADE, _QUOTE, _DEPTH, _SNAPSHOT = map(_decoder, (_TradeMessage, _QuoteMessage, _DepthMessage, _Snapshot))


class BinanceMessages:
    """Turns one message after the other into rows. The caller sets line and time of receipt."""

    def __init__(self, intake: Intake, gatherer: Gatherer) -> None:
        self._intake = intake
        self._to = gatherer
        text = "".join(intake.source.head_lines())
        self._venue = venue_in_name(intake.source.name) or venue_in_text(text)
        self._numbers: dict[str, int] = {}
        self._symbol = intake.mapping.symbol or symbol_in_name(intake.source.name)
        self._streams: dict[bytes, tuple[str, Callable[[bytes], None] | None]] = {}
        self._takers = {"trade": self._trade, "aggTrade": self._trade, "bookTicker": self._quote, "depth": self._depth}

    def take(self, message: bytes) -> None:
        """One message.

        Raises:
            msgspec.DecodeError: it is not what its stream says.
        """
        if message.startswith(b'{"lastUpdateId"'):
            self._snapshot(message)
            return
        if not message.startswith(STREAM):
            self._to.skip("other")
            return
        stream = message[len(STREAM) : message.index(b'"', len(STREAM))]
        known = self._streams.get(stream)
        if known is None:
            kind = stream.decode().partition("@")[2].split("@")[0]
            known = (kind, self._takers.get(kind))
            if len(self._streams) < STREAMS_MAX:
                self._streams[stream] = known
        kind, taker = known
        if taker is None:
            self._to.skip(kind)
        else:
            taker(message)

    def _see(self, symbol: str, event_ms: int) -> None:
        number = self._numbers.get(symbol)
        if number is None:
            number = self._numbers[symbol] = self._register(symbol)
        now = self._to.now
        now.instrument = number
        if event_ms:
            now.event_ns = event_ms * MS
        else:
            self._to.no_event_time()
        self._symbol = symbol

    def _register(self, symbol: str) -> int:
        venue = COINM if is_coin_symbol(symbol) else self._venue
        if venue == COINM:
            self._intake.quantity = "contracts"
            self._intake.notes.add(FindingCode.QUANTITY_UNIT, count=1, detail="coin-margined: contracts")
        return self._intake.instrument(symbol, venue, asset_type_of(symbol, venue))

    def _trade(self, message: bytes) -> None:
        data = _TRADE.decode(message).data
        self._see(data.s, data.T)
        flags = 0 if data.X == "MARKET" else OFF_BOOK
        self._to.trade((data.p, data.q), data.t or data.a, SELL if data.m else BUY, flags, dense=True)

    def _quote(self, message: bytes) -> None:
        data = _QUOTE.decode(message).data
        self._see(data.s, data.T)
        self._to.quote((data.b, data.B), (data.a, data.A), data.u)

    def _depth(self, message: bytes) -> None:
        data = _DEPTH.decode(message).data
        self._see(data.s, data.T or data.E)
        self._to.chained(data.pu if data.pu >= 0 else data.U - 1, data.u)
        self._to.levels(data.b, data.a, data.u)

    def _snapshot(self, message: bytes) -> None:
        data = _SNAPSHOT.decode(message)
        self._see(data.symbol or self._intake.symbol(self._symbol), data.T)
        self._to.snapshot(data.bids, data.asks, data.last_update)
