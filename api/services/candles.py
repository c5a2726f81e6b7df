"""Candles of a symbol, joined of all of its sources that have any, and errors that say what there is instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Set
from typing import NamedTuple

import numpy as np

from api.house import House
from api.reading.reader import Moment
from api.reading.wording import instant_of
from api.services.joined_candles import Piece, join
from api.services.market_sources import Reach, newest_recordings, reaches_of
from api.services.symbols import meant
from events.errors import InvalidInput, Unknown
from events.rows import Rows
from projections.duckdb.store import Snapshot
from projections.market_store import NS_MAX, Answer, Interval, MarketQuery, Span
from projections.read_models.instruments import InstrumentRow

CANDLES_MAX = 10_000  # of one answer
SOURCES_MAX = 256  # asked for the candles of one answer
COVERAGES_MAX = 32  # sources of which an error says what they have
RowsOf = Callable[[MarketQuery], Awaitable[Answer]]  # of a market store: its ticks or its bars
BARS_LOOKED_AT = 100  # newest ones, to say of which length they are


class Wanted(NamedTuple):
    """What is asked for."""

    symbol: str  # or SYMBOL@VENUE
    interval: Interval
    span: Span
    source: str | None = None  # None: all that the symbol has, its own first


class _Sought(NamedTuple):
    instrument: InstrumentRow
    sources: list[Reach]
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
        InvalidInput: too many, or of too many sources; or `TIMEFRAME_TOO_SHORT`: there are bars, and they are longer.
        ReadModelUnavailable: the market store does not answer.
    """
    instrument, sources = (await house.reader.run(lambda snapshot: _recorded(snapshot, wanted.symbol), at)).value
    sought = _Sought(instrument, _asked(instrument, sources, wanted.source), await house.reader.market_as_of(at))
    too_long: set[str] = set()  # sources whose bars are longer than the interval
    pieces, sequence = await _pieces(house, sought, wanted, too_long)
    if not pieces:
        raise await _nothing(house, sought, wanted.interval, too_long)
    if len(pieces) > 1:
        pieces = [Piece(await _exact(house, sought, one.reach), one.rows) for one in pieces]
    rows = join(pieces, wanted.interval.ns) if len(pieces) > 1 else pieces[0].rows
    limit = wanted.span.limit
    rows = rows[-limit:] if wanted.span.newest else rows[:limit]
    _check_count(rows, wanted.interval)
    return Answer(rows, sequence)


def _recorded(snapshot: Snapshot, symbol: str) -> tuple[InstrumentRow, list[Reach]]:
    row = meant(snapshot, symbol)
    return row, reaches_of(row, newest_recordings(snapshot, row.symbol))


def _asked(instrument: InstrumentRow, sources: list[Reach], wanted: str | None) -> list[Reach]:
    """Sources to ask, in order. Raises Unknown."""
    symbol, listed = instrument.symbol, ", ".join(one.source for one in sources[:COVERAGES_MAX]) or "none"
    if wanted is not None:
        found = [one for one in sources if one.source == wanted]
        if not found:
            raise Unknown(f"Source {wanted[:64]!r} has no {symbol}. Sources that have it: {listed}.", field="source")
        return found
    if not sources:
        raise Unknown(f"{symbol} is registered, and nothing of it is recorded yet.", code="NO_DATA", field="symbol")
    return sources


async def _pieces(house: House, sought: _Sought, wanted: Wanted, too_long: set[str]) -> tuple[list[Piece], int]:
    """What each source that reaches into the range has, in the order of sources, until there are enough candles.

    And the sequence up to which all are complete. Raises InvalidInput.
    """
    span, length_ns = wanted.span, wanted.interval.ns
    found: dict[str, Piece] = {}
    sequence, starts = NS_MAX, np.empty(0, np.int64)
    for asked, reach in enumerate(_by_time(sought.sources, span, length_ns)):
        if len(starts) >= span.limit and not _touches(reach, starts, span, length_ns):
            break
        if asked == SOURCES_MAX:
            raise InvalidInput(
                f"This range is recorded in more than {SOURCES_MAX} sources of {sought.instrument.symbol}.",
                field="start",
                hint="Ask for a shorter range, or name a source.",
            )
        answer = await _of_source(house, sought, reach.source, wanted)
        if answer is None:
            too_long.add(reach.source)
            continue
        sequence = min(sequence, answer.sequence)
        if len(answer.rows):
            found[reach.source] = Piece(reach, answer.rows)
            starts = np.union1d(starts, answer.rows["ts_open_ns"])
    return [found[one.source] for one in sought.sources if one.source in found], sequence


def _by_time(sources: list[Reach], span: Span, length_ns: int) -> list[Reach]:
    """Those that reach into a span, from the end on that is read first."""
    within = [one for one in sources if one.last_ns >= span.first_ns and one.first_ns < span.until_ns + length_ns]
    return sorted(within, key=lambda one: -one.last_ns if span.newest else one.first_ns)


def _touches(reach: Reach, starts: np.ndarray, span: Span, length_ns: int) -> bool:
    """Whether a source may have one of the candles that are given, of those met so far: int64[n] ns, ascending."""
    if span.newest:
        return reach.last_ns >= int(starts[-span.limit])
    return reach.first_ns < int(starts[span.limit - 1]) + length_ns


async def _of_source(house: House, sought: _Sought, source: str, wanted: Wanted) -> Answer | None:
    """Its candles; None where its bars are longer than the interval."""
    query = MarketQuery(source=source, instrument=sought.instrument.number, span=wanted.span, as_of=sought.as_of)
    try:
        return await house.market.candles(query, wanted.interval)
    except InvalidInput as error:
        if error.field != "interval":
            raise
        return None


async def _exact(house: House, sought: _Sought, reach: Reach) -> Reach:
    """The source with the times of its first and newest row, asked for where its recordings do not say."""
    if (reach.first_ns, reach.last_ns) != (0, NS_MAX):
        return reach
    for rows_of in (house.market.ticks, house.market.bars):
        first = await _end(rows_of, sought, reach.source, newest=False)
        last = await _end(rows_of, sought, reach.source, newest=True)
        if first is not None and last is not None:
            return Reach(reach.source, first, last)
    return reach


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
    names = [one.source for one in sought.sources]
    covers = [
        await (_length(house, sought, source) if source in too_long else _coverage(house, sought, source, interval))
        for source in names[:COVERAGES_MAX]
    ]
    more = f"; and {len(names) - COVERAGES_MAX} more sources" if len(names) > COVERAGES_MAX else ""
    there = [f"source {one.source} from {one.first} to {one.last}" for one in covers if one.first]
    longer = [f"source {one.source} from {one.shortest.value} on" for one in covers if one.shortest]
    if there:
        listed = "; ".join(there) + more
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
