"""Candles of a symbol from whichever of its sources has them, and errors that say what there is instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Set
from typing import NamedTuple

from api.house import House
from api.reading.reader import Moment
from api.reading.wording import instant_of
from api.services.market_sources import newest_recordings, sources_of
from api.services.symbols import meant
from events.errors import InvalidInput, Unknown
from events.rows import Rows
from projections.duckdb.store import Snapshot
from projections.market_store import Answer, Interval, MarketQuery, Span
from projections.read_models.instruments import InstrumentRow

CANDLES_MAX = 10_000  # of one answer
SOURCES_TRIED = 4  # of one symbol, until one has candles in the range
RowsOf = Callable[[MarketQuery], Awaitable[Answer]]  # of a market store: its ticks or its bars
BARS_LOOKED_AT = 100  # newest ones, to say of which length they are


class Wanted(NamedTuple):
    """What is asked for."""

    symbol: str  # or SYMBOL@VENUE
    interval: Interval
    span: Span
    source: str | None = None  # None: the symbol's own, then the next


class _Sought(NamedTuple):
    instrument: InstrumentRow
    sources: list[str]
    as_of: int | None


class _Coverage(NamedTuple):
    """What one source has of an instrument; no `first` where it has nothing of this interval."""

    source: str
    first: str = ""
    last: str = ""
    shortest: Interval | None = None  # where its bars are longer than the interval


async def find_candles(house: House, at: Moment, wanted: Wanted) -> Answer:
    """The candles: CANDLE_ROW[n], oldest first, at least one.

    Raises:
        Unknown: no such symbol or source; or `NO_DATA`: nothing in the range, with the range that there is.
        InvalidInput: too many; or `TIMEFRAME_TOO_SHORT`: there are bars, and they are longer.
        ReadModelUnavailable: the market store does not answer.
    """
    instrument, sources = (await house.reader.run(lambda snapshot: _recorded(snapshot, wanted.symbol), at)).value
    sought = _Sought(instrument, _asked(instrument, sources, wanted.source), await house.reader.market_as_of(at))
    too_long: set[str] = set()  # sources whose bars are longer than the interval
    for source in sought.sources:
        found = await _of_source(house, sought, source, wanted)
        if found is None:
            too_long.add(source)
        elif len(found.rows):
            _check_count(found.rows, wanted.interval)
            return found
    raise await _nothing(house, sought, wanted.interval, too_long)


def _recorded(snapshot: Snapshot, symbol: str) -> tuple[InstrumentRow, list[str]]:
    row = meant(snapshot, symbol)
    return row, sources_of(row, newest_recordings(snapshot, row.symbol))


def _asked(instrument: InstrumentRow, sources: list[str], wanted: str | None) -> list[str]:
    """Sources to ask, in order. Raises Unknown."""
    symbol, listed = instrument.symbol, ", ".join(sources) or "none"
    if wanted is not None:
        if wanted in sources:
            return [wanted]
        raise Unknown(f"Source {wanted[:64]!r} has no {symbol}. Sources that have it: {listed}.", field="source")
    if not sources:
        raise Unknown(f"{symbol} is registered, and nothing of it is recorded yet.", code="NO_DATA", field="symbol")
    return sources[:SOURCES_TRIED]


async def _of_source(house: House, sought: _Sought, source: str, wanted: Wanted) -> Answer | None:
    """Its candles; None where its bars are longer than the interval."""
    query = MarketQuery(source=source, instrument=sought.instrument.number, span=wanted.span, as_of=sought.as_of)
    try:
        return await house.market.candles(query, wanted.interval)
    except InvalidInput as error:
        if error.field != "interval":
            raise
        return None


def _check_count(rows: Rows, interval: Interval) -> None:
    if len(rows) > CANDLES_MAX:
        raise InvalidInput(
            f"The range has more than {CANDLES_MAX} candles of {interval.value}.",
            field="start",
            hint="Ask for a shorter range or a longer timeframe.",
        )


# --- what there is instead ----------------------------------------------------------------------------------------


async def _nothing(house: House, sought: _Sought, interval: Interval, too_long: Set[str]) -> Unknown | InvalidInput:
    """The error that says what there is instead."""
    name = sought.instrument.symbol
    covers = [
        await (_length(house, sought, source) if source in too_long else _coverage(house, sought, source, interval))
        for source in sought.sources
    ]
    there = [f"source {one.source} from {one.first} to {one.last}" for one in covers if one.first]
    longer = [f"source {one.source} from {one.shortest.value} on" for one in covers if one.shortest]
    if there:
        listed = "; ".join(there)
        text = f"No candle of {interval.value} of {name} starts in this range. There are: {listed}."
        return Unknown(text, code="NO_DATA", field="start")
    if longer:
        text = f"{name} has no candles of {interval.value}; its bars are longer: {'; '.join(longer)}."
        return InvalidInput(text, code="TIMEFRAME_TOO_SHORT", field="timeframe")
    return Unknown(f"There are no candles of {interval.value} of {name} yet.", code="NO_DATA", field="timeframe")


async def _coverage(house: House, sought: _Sought, source: str, interval: Interval) -> _Coverage:
    """From where to where a source has rows for candles, else the shortest interval that its bars make."""
    for rows_of in (house.market.ticks, house.market.bars):
        ends = [await _end(rows_of, sought, source, newest=newest) for newest in (False, True)]
        if None not in ends:
            if rows_of == house.market.bars:
                length = await _length(house, sought, source)
                if length.shortest and length.shortest.ns > interval.ns:
                    return length
            first, last = (instant_of(int(end or 0) // interval.ns * interval.ns) for end in ends)
            return _Coverage(source, first, last)
    return _Coverage(source)


async def _end(rows_of: RowsOf, sought: _Sought, source: str, *, newest: bool) -> int | None:
    """Event time of the first or newest row, ns UTC; None where there is none."""
    span = Span(limit=1, newest=newest)
    found = await rows_of(MarketQuery(source, sought.instrument.number, span, sought.as_of))
    return int(found.rows["ts_event_ns"][0]) if len(found.rows) else None


async def _length(house: House, sought: _Sought, source: str) -> _Coverage:
    """The shortest interval that a source's newest bars make; none where they make none."""
    span = Span(limit=BARS_LOOKED_AT)
    query = MarketQuery(source, sought.instrument.number, span, sought.as_of)
    lengths = set((await house.market.bars(query)).rows["interval_ns"].tolist())
    fit = [one for one in Interval if any(one.ns % length == 0 for length in lengths if length > 0)]
    return _Coverage(source, shortest=min(fit, key=lambda one: one.ns, default=None))
