"""The market (of contract 001): candles, and the symbols there are."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter
from msgspec import Meta

from api.house import House
from api.reading.asking import TEXT_MAX, ns_of
from api.reading.reader import INSTRUMENT, Moment, answered
from api.reading.wording import instant_of
from api.services.candles import CANDLES_MAX, Wanted, find_candles
from api.services.symbols import symbols_of
from events.errors import InvalidInput
from events.rows import Rows
from projections.market_store import NS_MAX, Interval, Span

CANDLES = 1_000  # where no start is given: the newest

OF_QUOTES = {"Candle-Source": "quotes"}

AssetType = Literal["crypto", "forex", "indices", "stocks", "all"]


class Candle(msgspec.Struct, frozen=True):
    """One candle."""

    timestamp: Annotated[str, Meta(description="where it starts")]
    open: float
    high: float
    low: float
    close: float
    volume: Annotated[float, Meta(description="base units")]


class MarketSymbols(msgspec.Struct, frozen=True):
    """Symbols of an asset type."""

    symbols: list[str]
    asset_type: str


def provide_range(
    start: Annotated[str | None, QueryParameter(description="first candle, ISO 8601", max_length=TEXT_MAX)] = None,
    end: Annotated[str | None, QueryParameter(description="before this time, ISO 8601", max_length=TEXT_MAX)] = None,
) -> Span:
    """Which candles. One more than the most that are given, so that too many are noticed."""
    first, until = ns_of(start, "start"), ns_of(end, "end")
    if first is not None and until is not None and first >= until:
        raise InvalidInput("start must be before end.", field="start")
    limit = CANDLES if first is None else CANDLES_MAX + 1
    return Span(first_ns=first or 0, until_ns=NS_MAX if until is None else until, limit=limit, newest=first is None)


@get("/api/market/data", opt={"instrument": True})
async def candles(
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    span: NamedDependency[Span],
    symbol: Annotated[
        str, QueryParameter(description="such as BTC_USDT, or SYMBOL@VENUE", min_length=1, max_length=TEXT_MAX)
    ],
    timeframe: Annotated[Literal["1m", "5m", "15m", "1h", "4h", "1d"], QueryParameter(description="of a candle")],
    source: Annotated[
        str | None, QueryParameter(description="this one alone; else all that the symbol has", max_length=TEXT_MAX)
    ] = None,
) -> Response[list[Candle]]:
    """Candles of a symbol, oldest first; without `start` the newest 1,000. Empty intervals have none.

    They are joined of all sources that the symbol has in the range; where several have a candle whole, it is that of
    the primary one, else of the newest. `source` names one alone. `BTCUSDT`, `BTC/USDT` and `btc-usdt` are taken for
    `BTC_USDT` where nothing has that very symbol. Where several venues have it, they are of one that a source
    records now, then of the one with the longest span of complete recordings, of equal ones the one that was registered
    first, whatever the range; only where it has none in the range and another has, of that one: an answer is of one
    venue, and `Tape-Instrument` says which. `SYMBOL@VENUE` names one. A range within what is recorded in which nothing
    traded has none. Of what has quotes alone they are of the middle of bids and asks,
    without volume: then `Candle-Source` is `quotes`.
    """
    found = await find_candles(house, at, Wanted(symbol, Interval(timeframe), span, source))
    answer = answered(_worded(found.rows), found.sequence, house.reader.epoch)
    answer.headers |= {INSTRUMENT: found.instrument, **(OF_QUOTES if found.quoted else {})}
    return answer


@get("/api/market/symbols")
async def market_symbols(
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    asset_type: Annotated[AssetType, QueryParameter(description="which symbols")] = "all",
) -> Response[MarketSymbols]:
    """The symbols there are."""

    return await house.reader.one(lambda at: MarketSymbols(symbols_of(at, asset_type), asset_type), at)


def _worded(rows: Rows) -> list[Candle]:
    columns = (rows[name].tolist() for name in ("ts_open_ns", "open", "high", "low", "close", "volume"))
    return [Candle(instant_of(ts), *rest) for ts, *rest in zip(*columns, strict=True)]


DEPENDENCIES = {"span": Provide(provide_range, sync_to_thread=False)}
HANDLERS = [candles, market_symbols]
