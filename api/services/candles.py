"""Candles of a symbol, joined of all of its sources that have any, and errors that say what there is instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from api.house import House
from api.reading.reader import Moment
from api.reading.wording import instant_of
from api.services.candle_venues import DEALT, ranked
from api.services.joined_candles import Piece, join
from api.services.market_sources import Reach, newest_recordings, reaches_of
from api.services.symbols import meant
from events.errors import InvalidInput, Unknown
from events.rows import Rows
from projections.duckdb.store import Snapshot
from projections.market_store import CANDLE_ROW, NS_MAX, Answer, Interval, MarketQuery, Span
from projections.read_models.instruments import InstrumentRow
from projections.read_models.recordings import RecordingRow

CANDLES_MAX = 10_000  # of one answer
SOURCES_MAX = 256  # asked for the candles of one answer
COVERAGES_MAX = 32  # sources of which an error says what they have
RowsOf = Callable[[MarketQuery], Awaitable[Answer]]  # of a market store: its ticks or its bars
CandlesOf = Callable[[MarketQuery, Interval], Awaitable[Answer]]
BARS_LOOKED_AT = 100  # newest ones, to say of which length they are
_Recorded = tuple[InstrumentRow, list[Reach], list[RecordingRow]]  # an instrument, its sources and recordings


class Wanted(NamedTuple):
    """What is asked for."""

    symbol: str  # or SYMBOL@VENUE
    interval: Interval
    span: Span
    source: str | None = None  # None: all that the symbol has, its own first


class Candles(NamedTuple):
    """CANDLE_ROW[n], oldest first; the sequence up to which they are complete, and whose they are: SYMBOL@VENUE."""

    rows: Rows
    sequence: int
    instrument: str
    quoted: bool = False  # of the middle of bids and asks


class _Sought(NamedTuple):
    instrument: InstrumentRow
    sources: list[Reach]
    recorded: list[RecordingRow]
    as_of: int | None
    candles: CandlesOf


class _Had(NamedTuple):
    """What an instrument has of what is asked."""

    sought: _Sought
    pieces: list[Piece]
    sequence: int
    too_long: set[str]  # sources whose bars are longer than the interval


class _Coverage(NamedTuple):
    """What one source has of an instrument; no `first_ns` where it has nothing of this interval."""

    source: str
    first_ns: int | None = None
    last_ns: int = 0
    shortest: Interval | None = None  # where its bars are longer than the interval
    quoted: bool = False  # it has quotes alone


async def find_candles(house: House, at: Moment, wanted: Wanted) -> Candles:
    """The candles of one venue, whatever the range: see `ranked`. Where it has none in the range, of the next that has.

    Where none has any, those of the middle of bids and asks, of sources that have quotes alone. Nothing where the range
    lies within what is recorded, and nothing traded in it.

    Raises:
        Unknown: no such symbol or source; or `NO_DATA`: the range lies outside, with what there is.
        InvalidInput: too many, or of too many sources; or `TIMEFRAME_TOO_SHORT`: there are bars, and they are longer.
        ReadModelUnavailable: the market store does not answer.
    """
    there = (await house.reader.run(lambda snapshot: _recorded(snapshot, wanted.symbol), at)).value
    as_of = await house.reader.market_as_of(at)
    asked = _asked(there, wanted.source)
    sought = [_Sought(one, sources, recorded, as_of, house.market.candles) for one, sources, recorded in asked]
    had, found = await _first(house, sought, wanted)
    if found is not None:
        return found
    covers = [await _covered(house, one, wanted.interval) for one in had]
    _, found = await _first(house, list(_quoted(house, had, covers)), wanted, quoted=True)
    return await _nothing(house, had, covers, wanted) if found is None else found


async def _first(
    house: House, sought: Sequence[_Sought], wanted: Wanted, *, quoted: bool = False
) -> tuple[list[_Had], Candles | None]:
    """What the venues have in their order, up to the first that has any, and its candles. Raises InvalidInput."""
    of = {one.instrument.number: one for one in sought}
    recorded = {number: _made_of(one, quoted=quoted) for number, one in of.items()}
    had = []
    for number in ranked(recorded, wanted.interval):
        had.append(await _had(of[number], wanted))
        if had[-1].pieces:
            rows = await _joined(house, had[-1], wanted)
            _check_count(rows, wanted.interval)
            sequence = min(one.sequence for one in had)
            return had, Candles(rows, sequence, _name(of[number].instrument), quoted)
    return had, None


def _made_of(sought: _Sought, *, quoted: bool) -> list[RecordingRow]:
    """Recordings of its sources: with trades or bars, or all where the sources have quotes alone."""
    names = {reach.source for reach in sought.sources}
    return [row for row in sought.recorded if row.source in names and (quoted or DEALT.intersection(row.kinds))]


def _quoted(house: House, had: list[_Had], covers: list[list[_Coverage]]) -> Iterator[_Sought]:
    """The instruments with those of their sources that have quotes alone."""
    for one, of in zip(had, covers, strict=True):
        names = {cover.source for cover in of if cover.quoted}
        sources = [reach for reach in one.sought.sources if reach.source in names]
        if sources:
            yield one.sought._replace(sources=sources, candles=house.market.mids)


def _name(instrument: InstrumentRow) -> str:
    return f"{instrument.symbol}@{instrument.venue}"


def _recorded(snapshot: Snapshot, symbol: str) -> list[_Recorded]:
    rows = meant(snapshot, symbol)
    found = newest_recordings(snapshot, rows[0].symbol)
    return [(row, reaches_of(row, found), [one for one in found if row.number in one.instruments]) for row in rows]


def _asked(there: list[_Recorded], wanted: str | None) -> list[_Recorded]:
    """Instruments with the sources to ask, in order. Raises Unknown."""
    symbol = there[0][0].symbol
    if wanted is not None:
        found = [(row, [one for one in sources if one.source == wanted], recorded) for row, sources, recorded in there]
        listed = ", ".join(one.source for _, sources, _ in there for one in sources[:COVERAGES_MAX]) or "none"
        text, code, field = f"Source {wanted[:64]!r} has no {symbol}. Sources that have it: {listed}.", None, "source"
    else:
        found = there
        text, code, field = f"{symbol} is registered, and nothing of it is recorded yet.", "NO_DATA", "symbol"
    found = [one for one in found if one[1]]
    if not found:
        raise Unknown(text, code=code, field=field)
    return found


async def _had(sought: _Sought, wanted: Wanted) -> _Had:
    too_long: set[str] = set()
    return _Had(sought, *await _pieces(sought, wanted, too_long), too_long)


async def _joined(house: House, had: _Had, wanted: Wanted) -> Rows:
    """CANDLE_ROW[n] of all its pieces, as many as are asked for."""
    pieces, limit = had.pieces, wanted.span.limit
    if len(pieces) > 1:
        pieces = [Piece(await _exact(house, had.sought, one.reach), one.rows) for one in pieces]
    rows = join(pieces, wanted.interval.ns) if len(pieces) > 1 else pieces[0].rows
    return rows[-limit:] if wanted.span.newest else rows[:limit]


async def _pieces(sought: _Sought, wanted: Wanted, too_long: set[str]) -> tuple[list[Piece], int]:
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
        answer = await _of_source(sought, reach.source, wanted)
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


async def _of_source(sought: _Sought, source: str, wanted: Wanted) -> Answer | None:
    """Its candles; None where its bars are longer than the interval."""
    query = MarketQuery(source=source, instrument=sought.instrument.number, span=wanted.span, as_of=sought.as_of)
    try:
        return await sought.candles(query, wanted.interval)
    except InvalidInput as error:
        if error.field != "interval":
            raise
        return None


async def _exact(house: House, sought: _Sought, reach: Reach) -> Reach:
    """The source with the times of its first and newest row, asked for where its recordings do not say."""
    if (reach.first_ns, reach.last_ns) != (0, NS_MAX):
        return reach
    for rows_of in (house.market.ticks, house.market.bars, house.market.quotes):
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


async def _nothing(house: House, had: list[_Had], covers: list[list[_Coverage]], wanted: Wanted) -> Candles:
    """No candles, of a range within what there is. Else raises the error that says what there is instead."""
    interval, symbol, span = wanted.interval, had[0].sought.instrument.symbol, wanted.span
    every = [(one, cover) for one, of in zip(had, covers, strict=True) for cover in of]
    there = [(one, cover) for one, cover in every if cover.first_ns is not None]
    first_ns = min((cover.first_ns or 0 for _, cover in there), default=NS_MAX)
    last_ns = max((cover.last_ns for _, cover in there), default=0)
    if there and first_ns < span.until_ns and span.first_ns <= last_ns:
        sequence = min(one.sequence for one in had)
        if sequence == NS_MAX:  # no source reaches into the range
            sequence = had[0].sought.as_of or await house.market.visible(candles=True)
        return Candles(np.empty(0, CANDLE_ROW), sequence, _name(there[0][0].sought.instrument))
    longer = "; ".join(f"source {cover.source} from {cover.shortest.value} on" for _, cover in every if cover.shortest)
    if there:
        more = sum(len(one.sought.sources) for one in had) - len(every)
        listed = "; ".join(_range(cover, interval) for _, cover in there) + (
            f"; and {more} more sources" if more else ""
        )
        text = f"No candle of {interval.value} of {symbol} starts in this range. There are: {listed}."
        text += f" Other bars are longer: {longer}." if longer else ""
        raise Unknown(text, code="NO_DATA", field="start")
    if longer:
        text = f"{symbol} has no candles of {interval.value}; its bars are longer: {longer}."
        raise InvalidInput(text, code="TIMEFRAME_TOO_SHORT", field="timeframe")
    raise Unknown(f"There are no candles of {interval.value} of {symbol} yet.", code="NO_DATA", field="timeframe")


def _range(cover: _Coverage, interval: Interval) -> str:
    first, last = (instant_of(end // interval.ns * interval.ns) for end in (cover.first_ns or 0, cover.last_ns))
    return f"source {cover.source} from {first} to {last}"


async def _covered(house: House, had: _Had, interval: Interval) -> list[_Coverage]:
    """What the first of an instrument's sources have."""
    return [await _coverage(house, had, one.source, interval) for one in had.sought.sources[:COVERAGES_MAX]]


async def _coverage(house: House, had: _Had, source: str, interval: Interval) -> _Coverage:
    """From where to where a source has rows for candles, else the shortest interval that its bars make."""
    if source in had.too_long:
        return await _length(house, had.sought, source)
    market = house.market
    for rows_of in (market.ticks, market.bars, market.quotes):
        first, last = [await _end(rows_of, had.sought, source, newest=newest) for newest in (False, True)]
        if first is not None and last is not None:
            if rows_of == market.bars:
                length = await _length(house, had.sought, source)
                if length.shortest and length.shortest.ns > interval.ns:
                    return length
            return _Coverage(source, first, last, quoted=rows_of == market.quotes)
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
