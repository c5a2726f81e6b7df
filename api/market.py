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
    """Candles of a symbol, oldest first; without `start` the newest 1,000. Empty intervals have none."""
    sought = (await house.reader.run(lambda snapshot: _sought(snapshot, symbol), at)).value
    interval = Interval(timeframe)
    as_of = await house.reader.market_as_of(at)
    query = MarketQuery(source=_source(sought, source), instrument=sought.instrument.number, span=span, as_of=as_of)
    found = await house.market.candles(query, interval)
    if len(found.rows) > CANDLES_MAX:
        raise InvalidInput(
            f"The range has more than {CANDLES_MAX} candles of {timeframe}.",
            field="start",
            hint="Ask for a shorter range or a longer timeframe.",
        )
    if not len(found.rows):
        raise await _nothing(house, sought, query, interval)
    return answered(_worded(found.rows), found.sequence, house.reader.epoch)


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


def _source(sought: _Sought, wanted: str | None) -> str:
    if wanted is not None and wanted not in sought.sources:
        listed = ", ".join(sought.sources) or "none"
        raise Unknown(
            f"Source {wanted[:64]!r} has no {sought.instrument.symbol}. Sources that have it: {listed}.",
            field="source",
        )
    if not sought.sources:
        raise Unknown(f"{sought.instrument.symbol} is registered, and nothing of it is recorded yet.", code="NO_DATA")
    return wanted or sought.sources[0]


async def _nothing(house: House, sought: _Sought, query: MarketQuery, interval: Interval) -> Unknown:
    """The error that says what there is instead."""
    whole = Span(limit=1)
    ends = [await house.market.candles(_spanning(query, whole, newest=newest), interval) for newest in (False, True)]
    name = f"{sought.instrument.symbol} of source {query.source}"
    others = [source for source in sought.sources if source != query.source]
    also = f" Other sources that have it: {', '.join(others)}." if others else ""
    if not all(len(end.rows) for end in ends):
        return Unknown(f"{name} has no candles of {interval.value} yet.{also}", code="NO_DATA")
    first, last = (instant_of(int(end.rows["ts_open_ns"][0])) for end in ends)
    return Unknown(
        f"{name} has candles of {interval.value} from {first} to {last}, none in the range asked for.{also}",
        code="NO_DATA",
        field="start",
    )


def _spanning(query: MarketQuery, span: Span, *, newest: bool) -> MarketQuery:
    return msgspec.structs.replace(query, span=msgspec.structs.replace(span, newest=newest))


def _worded(rows: Rows) -> list[Candle]:
    columns = (rows[name].tolist() for name in ("ts_open_ns", "open", "high", "low", "close", "volume"))
    return [Candle(instant_of(ts), *rest) for ts, *rest in zip(*columns, strict=True)]


DEPENDENCIES = {"span": Provide(provide_range, sync_to_thread=False)}
HANDLERS = [candles, market_symbols]
