"""Newest prices and the last 24 hours of every registered symbol, kept for a while."""

from __future__ import annotations

import asyncio
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import structlog
from msgspec import Meta

from api.reading.reader import Moment, Reader
from api.reading.wording import instant, instant_of
from api.services.market_sources import newest_recordings, sources_of
from events.clock import NS_PER_SECOND, Clock
from events.errors import InvalidInput, OperatingError
from projections.duckdb.store import Snapshot
from projections.market_store import MarketStore
from projections.read_models.instruments import InstrumentRow, every

log = structlog.get_logger(__name__)

DAY_NS = 86_400 * NS_PER_SECOND
UNTRADED = "Nothing of it was traded yet."
OF_QUOTES = f"The middle of the newest bid and ask. {UNTRADED}"
SOURCES_TRIED = 4  # of one instrument, until one has a price
WITHOUT_PRICES_SECONDS = 5.0  # how long an answer is kept in which prices are missing that may come
BEHIND_EVENTS_MAX = 1_000  # a market store further behind the tape's newest market message: prices are soon old


class SymbolPrice(msgspec.Struct, frozen=True):
    """One symbol. Prices and volume in quote currency; the 24 hours end with the newest trade of its source.

    All are 0 where nothing was traded yet, but for the price where there are quotes: the middle of the newest bid and
    ask. They are null where that is not known; `reason` says why.
    """

    symbol: str
    name: str
    price: float | None
    volume24h: float | None
    change24h: Annotated[float | None, Meta(description="percent")]
    high24h: float | None
    low24h: float | None
    exchange: str
    timestamp: Annotated[str, Meta(description="when the prices were fetched")]
    price_time: Annotated[str | None, Meta(description="of the newest trade or quote; null: there is no price")]
    reason: Annotated[str | None, Meta(description="why there is no price, or none of a trade")] = None


Registered = list[tuple[InstrumentRow, list[str]]]


class Found(NamedTuple):
    """All symbols as of a sequence."""

    symbols: list[SymbolPrice]
    sequence: int
    epoch: str


class _Fetched(NamedTuple):
    found: Found
    whole: bool  # the market store answered
    lasts: bool  # may be kept: all prices are there, none soon old
    registered: Registered


class _Figures(NamedTuple):
    price: float = 0.0
    ts_ns: int = 0
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    turnover: float = 0.0
    quoted: bool = False  # the price is of quotes


class Prices:
    """Fetches prices once for all who ask within `cache_seconds`, or until there are other symbols or sources."""

    def __init__(self, reader: Reader, market: MarketStore, clock: Clock, cache_seconds: float) -> None:
        self._reader = reader
        self._market = market
        self._clock = clock
        self._cache_seconds = cache_seconds
        self._fetching = asyncio.Lock()
        self._kept: Found | None = None
        self._kept_until_ns = 0
        self._registered: Registered = []  # of what is kept
        self._looked_until_ns = 0
        self._whole: Found | None = None  # the newest answer that the market store took part in

    async def find(self, moment: Moment) -> Found:
        """The symbols as kept, or fetched anew; a moment of its own is never answered with what is kept."""
        if moment.sequence is not None:
            return (await self._fetch(moment)).found
        async with self._fetching:
            kept = self._kept
            fresh = kept and self._until(0) < self._kept_until_ns and kept.sequence >= moment.least
            if kept and fresh and await self._still_registered():
                return kept
            found, whole, lasts, self._registered = await self._fetch(moment)
            if whole:
                self._whole = found
            elif self._whole is not None and self._whole.sequence >= moment.least:
                found = self._whole  # with its old timestamp: better than no prices
            soon = min(WITHOUT_PRICES_SECONDS, self._cache_seconds)
            self._kept = found
            self._kept_until_ns = self._until(self._cache_seconds if lasts else soon)
            self._looked_until_ns = self._until(soon)
            return found

    def _until(self, seconds: float) -> int:
        return self._clock.monotonic_ns() + round(seconds * NS_PER_SECOND)

    async def _still_registered(self) -> bool:
        """Whether symbols and their sources are those of what is kept; looked at every few seconds."""
        if self._until(0) < self._looked_until_ns:
            return True
        self._looked_until_ns = self._until(WITHOUT_PRICES_SECONDS)
        return (await self._reader.run(_registered, Moment())).value == self._registered

    async def _fetch(self, moment: Moment) -> _Fetched:
        answer = await self._reader.run(_registered, moment)
        figures: dict[int, _Figures] = {}
        sequence, why, newest = answer.sequence, "", 0
        try:
            as_of = await self._reader.market_as_of(moment)
            newest = await self._reader.newest_market()
            for rank in range(SOURCES_TRIED):
                for source, numbers in _without(answer.value, figures, rank).items():
                    sequence = min(sequence, await self._of_source(source, numbers, as_of, figures))
            for rank in range(SOURCES_TRIED):
                for source, numbers in _without(answer.value, figures, rank).items():
                    sequence = min(sequence, await self._of_quotes(source, numbers, as_of, figures))
        except (OperatingError, InvalidInput) as error:
            if isinstance(error, InvalidInput) and moment.sequence is not None:
                raise  # a moment that cannot be asked is the caller's
            log.warning("prices_unavailable", error=str(error), code=error.code)
            why = f"The market store gave no answer: {error.message}"
        fetched = instant_of(self._clock.now_ns())
        listed = [_worded(row, figures.get(row.number), fetched, why) for row, _ in answer.value]
        priced = all(row.number in figures for row, sources in answer.value if sources)
        near = newest - sequence <= BEHIND_EVENTS_MAX
        return _Fetched(Found(listed, sequence, answer.epoch), not why, priced and near and not why, answer.value)

    async def _of_source(self, source: str, numbers: set[int], as_of: int | None, figures: dict[int, _Figures]) -> int:
        """Fill in the figures of one source's instruments; the sequence they are complete up to."""
        prices = await self._market.prices(source, as_of)
        if not len(prices.rows):
            return prices.sequence
        until = int(prices.rows["ts_event_ns"].max()) + 1
        stats = await self._market.stats(source, max(0, until - DAY_NS), until, as_of)
        days = {int(row["instrument"]): row for row in stats.rows}
        for row in prices.rows:
            number = int(row["instrument"])
            if number not in numbers:
                continue
            price, ts_ns = float(row["price"]), int(row["ts_event_ns"])
            day = days.get(number)
            if day is None:
                figures[number] = _Figures(price, ts_ns, price, price, price)
            else:
                first, high, low, turnover = (float(day[name]) for name in ("open", "high", "low", "turnover"))
                figures[number] = _Figures(price, ts_ns, first, high, low, turnover)
        return min(prices.sequence, stats.sequence)

    async def _of_quotes(self, source: str, numbers: set[int], as_of: int | None, figures: dict[int, _Figures]) -> int:
        """As `_of_source`, of those of which quotes alone are there."""
        prices = await self._market.mid_prices(source, as_of)
        for row in prices.rows[np.isin(prices.rows["instrument"], list(numbers))]:
            figures[int(row["instrument"])] = _Figures(float(row["price"]), int(row["ts_event_ns"]), quoted=True)
        return prices.sequence


def _registered(snapshot: Snapshot) -> Registered:
    """Every instrument with its sources, the primary one first."""
    found = newest_recordings(snapshot)
    return [(row, sources_of(row, found)) for row in every(snapshot)]


def _without(registered: Registered, figures: dict[int, _Figures], rank: int) -> dict[str, set[int]]:
    """Instruments that have no price yet, by the source at this place of their lists."""
    wanted: dict[str, set[int]] = {}
    for row, sources in registered:
        if row.number not in figures and rank < len(sources):
            wanted.setdefault(sources[rank], set()).add(row.number)
    return wanted


def _worded(row: InstrumentRow, figures: _Figures | None, fetched: str, why: str) -> SymbolPrice:
    """`why` the market store did not answer: then what it did not say before is null."""
    name = row.name or row.symbol.replace("_", "/")
    if figures is None and why:
        return SymbolPrice(row.symbol, name, None, None, None, None, None, row.venue, fetched, None, why)
    known = figures or _Figures()
    change = 100.0 * (known.price / known.open - 1.0) if known.open > 0 else 0.0
    return SymbolPrice(
        symbol=row.symbol,
        name=name,
        price=known.price,
        volume24h=known.turnover,
        change24h=round(change, 6),
        high24h=known.high,
        low24h=known.low,
        exchange=row.venue,
        timestamp=fetched,
        price_time=instant(known.ts_ns),
        reason=OF_QUOTES if known.quoted else None if figures else UNTRADED,
    )
