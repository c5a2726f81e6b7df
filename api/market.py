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
from api.reading.reader import Moment, answered
from api.reading.wording import instant_of
from api.services.market_sources import newest_recordings, sources_of
from events.errors import InvalidInput, Unknown
from events.rows import Rows
from projections.duckdb.store import Snapshot
from projections.market_store import NS_MAX, Interval, MarketQuery, Span
from projections.read_models.answers import PAGE_ROWS_MAX, Page
from projections.read_models.instruments import InstrumentFilter, InstrumentRow, instruments

CANDLES_MAX = 10_000  # of one answer
SOURCES_TRIED = 4  # of one symbol, until one has candles in the range
CANDLES = 1_000  # where no start is given: the newest

AssetType = Literal["crypto", "forex", "indices", "stocks", "all"]
# the catalogue's words -> the contract's
ASSET_TYPES = {"crypto": "crypto", "perpetual": "crypto", "forex": "forex", "index": "indices", "cfd": "indices"}
ASSET_TYPES |= {"equity": "stocks", "stock": "stocks", "etf": "stocks"}
FUTURES_VENUES = frozenset({"CME", "CBOT", "NYMEX", "COMEX", "EUREX", "ICE"})  # elsewhere a future is of a coin


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


class _Sought(msgspec.Struct, frozen=True):
    instrument: InstrumentRow
    sources: list[str]


def provide_range(
    start: Annotated[str | None, QueryParameter(description="first candle, ISO 8601", max_length=TEXT_MAX)] = None,
    end: Annotated[str | None, QueryParameter(description="before this time, ISO 8601", max_length=TEXT_MAX)] = None,
) -> Span:
    """Which candles. One more than the most that are given, so that too many are noticed."""
    first, until = ns_of(start, "start"), ns_of(end, "end")
    if first is not None and until is not None and first >= until:
        raise InvalidInput("start must be before end.", field="start")
    limit = CANDLES if first is None else CANDLES_MAX + 1
    return Span(first_ns=first or 0, until_ns=until or NS_MAX, limit=limit, newest=first is None)


@get("/api/market/data")
async def candles(
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    span: NamedDependency[Span],
    symbol: Annotated[
        str, QueryParameter(description="such as BTC_USDT, or SYMBOL@VENUE", min_length=1, max_length=TEXT_MAX)
    ],
    timeframe: Annotated[Literal["1m", "5m", "15m", "1h", "4h", "1d"], QueryParameter(description="of a candle")],
    source: Annotated[
        str | None, QueryParameter(description="another than the symbol's primary one", max_length=TEXT_MAX)
    ] = None,
) -> Response[list[Candle]]:
    """Candles of a symbol, oldest first; without `start` the newest 1,000. Empty intervals have none.

    They are of one source: the symbol's primary one, or the next that has any in the range.
    """
    sought = (await house.reader.run(lambda snapshot: _sought(snapshot, symbol), at)).value
    as_of = await house.reader.market_as_of(at)
    interval, asked = Interval(timeframe), _sources(sought, source)
    for name in asked:
        query = MarketQuery(source=name, instrument=sought.instrument.number, span=span, as_of=as_of)
        found = await house.market.candles(query, interval)
        if len(found.rows) > CANDLES_MAX:
            raise InvalidInput(
                f"The range has more than {CANDLES_MAX} candles of {timeframe}.",
                field="start",
                hint="Ask for a shorter range or a longer timeframe.",
            )
        if len(found.rows):
            return answered(_worded(found.rows), found.sequence, house.reader.epoch)
    raise await _nothing(house, sought, asked, interval)


@get("/api/market/symbols")
async def market_symbols(
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    asset_type: Annotated[AssetType, QueryParameter(description="which symbols")] = "all",
) -> Response[MarketSymbols]:
    """The symbols there are."""

    def work(snapshot: Snapshot) -> MarketSymbols:
        rows = instruments(snapshot, page=Page(limit=PAGE_ROWS_MAX)).rows
        names = [row.symbol for row in rows if asset_type in ("all", asset_type_of(row))]
        return MarketSymbols(list(dict.fromkeys(names)), asset_type)

    return await house.reader.one(work, at)


def asset_type_of(row: InstrumentRow) -> str:
    """The contract's word for what an instrument is; "other" where it has none."""
    if row.asset_type == "future":
        return "indices" if row.venue in FUTURES_VENUES else "crypto"
    return ASSET_TYPES.get(row.asset_type, "other")


def _sought(snapshot: Snapshot, text: str) -> _Sought:
    """The instrument of a symbol or SYMBOL@VENUE, and where it is recorded. Raises Unknown, InvalidInput."""
    symbol, _, venue = text.partition("@")
    found = instruments(snapshot, InstrumentFilter(symbol=symbol, venue=venue or None)).rows
    if not found:
        known = ", ".join(row.symbol for row in instruments(snapshot, page=Page(limit=8)).rows) or "none yet"
        raise Unknown(f"There is no symbol {text[:64]!r}. Known: {known}.", field="symbol")
    if len(found) > 1:
        venues = ", ".join(f"{row.symbol}@{row.venue}" for row in found)
        raise InvalidInput(f"{symbol} is traded at several venues: name one of {venues}.", field="symbol")
    return _Sought(found[0], sources_of(found[0], newest_recordings(snapshot, found[0].symbol)))


def _sources(sought: _Sought, wanted: str | None) -> list[str]:
    """Sources to ask, in order. Raises Unknown."""
    symbol, listed = sought.instrument.symbol, ", ".join(sought.sources) or "none"
    if wanted is not None:
        if wanted in sought.sources:
            return [wanted]
        raise Unknown(f"Source {wanted[:64]!r} has no {symbol}. Sources that have it: {listed}.", field="source")
    if not sought.sources:
        raise Unknown(f"{symbol} is registered, and nothing of it is recorded yet.", code="NO_DATA", field="symbol")
    return sought.sources[:SOURCES_TRIED]


async def _nothing(house: House, sought: _Sought, asked: list[str], interval: Interval) -> Unknown:
    """The error that says what there is instead."""
    name, there = sought.instrument.symbol, []
    for source in asked:
        ends = [await _end(house, sought, source, interval, newest=newest) for newest in (False, True)]
        if all(ends):
            there.append(f"source {source} from {ends[0]} to {ends[1]}")
    if not there:
        return Unknown(f"There are no candles of {interval.value} of {name} yet.", code="NO_DATA", field="timeframe")
    listed = "; ".join(there)
    return Unknown(
        f"No candle of {interval.value} of {name} starts in this range. There are: {listed}.",
        code="NO_DATA",
        field="start",
    )


async def _end(house: House, sought: _Sought, source: str, interval: Interval, *, newest: bool) -> str:
    """Where the first or the newest candle starts; empty where there is none."""
    query = MarketQuery(source=source, instrument=sought.instrument.number, span=Span(limit=1, newest=newest))
    try:
        rows = (await house.market.candles(query, interval)).rows
    except InvalidInput:  # its bars are longer than that
        return ""
    return instant_of(int(rows["ts_open_ns"][0])) if len(rows) else ""


def _worded(rows: Rows) -> list[Candle]:
    columns = (rows[name].tolist() for name in ("ts_open_ns", "open", "high", "low", "close", "volume"))
    return [Candle(instant_of(ts), *rest) for ts, *rest in zip(*columns, strict=True)]


DEPENDENCIES = {"span": Provide(provide_range, sync_to_thread=False)}
HANDLERS = [candles, market_symbols]
