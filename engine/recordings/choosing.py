"""Which recording is meant by a symbol and a range of time, where none is named."""

from __future__ import annotations

from engine.catalogue import Catalogue
from engine.feeds.asset_types import asset_type_of
from engine.recordings.shelf import Recording, RecordingState, Shelf
from engine.recordings.stretches import DAY_NS, Span, range_of
from events.errors import Conflict, InvalidInput, Unknown
from events.facts import InstrumentRegistered
from events.rows import MarketKind
from events.symbols import spelled

# what may be missing at an end of a range: (ns, share of the range)
CLOSES = (4 * DAY_NS, 0.5)  # weekends and holidays
NEVER_CLOSES = (DAY_NS, 0.25)  # the beginning of the first hour or day, and a last bar's length
NEVER_CLOSING = ("crypto", "perpetual")
LISTED_MAX = 5
KNOWN_MAX = 20
DEALT = 1 << MarketKind.TRADE  # kinds of rows, bit k for kind k: trades, of which bars tell too


def candidates(shelf: Shelf, catalogue: Catalogue, text: str, kinds: int = DEALT) -> list[Recording]:
    """Complete recordings that have rows of SYMBOL or SYMBOL@VENUE, the oldest first.

    Those that have none of the kinds of rows are left out where others do.

    Raises:
        InvalidInput: there are none; the message says what there is.
    """
    symbol, _, venue = spelled(text, shelf.symbols()).partition("@")
    whole = [one for one in shelf.recordings.values() if one.state is RecordingState.COMPLETE]
    found = [one for one in whole if symbol in one.opened.symbols and one.whole().rows]
    mine = [one for one in found if not venue or instrument_of(one, symbol, catalogue).venue == venue]
    if not mine:
        names = {full_name(instrument_of(one, symbol, catalogue)) for one in found}
        names = names or {name for one in whole for name in one.opened.symbols}
        known = ", ".join(sorted(names)[:KNOWN_MAX]) or "nothing yet"
        raise InvalidInput(f"Nothing of {text[:64]!r} is recorded or imported. There is {known}.", field="symbol")
    return [one for one in mine if _kinds(one) & kinds] or mine


def covering(shelf: Shelf, catalogue: Catalogue, text: str, span: Span, kinds: int = DEALT) -> Recording:
    """The newest complete recording of SYMBOL or SYMBOL@VENUE that covers a span, but for weekends at its ends.

    Of several venues that have one it is of that which has most of the span, else of the one recorded last. Raises as
    `candidates`; or InvalidInput: none covers it, with what there is.
    """
    if span.first_ns is not None and span.until_ns is not None and span.first_ns >= span.until_ns:
        raise InvalidInput("The range ends before it begins.", field="end_date")
    found = candidates(shelf, catalogue, text, kinds)
    symbol = spelled(text, shelf.symbols()).partition("@")[0]
    covers = [one for one in reversed(found) if _covers(one, symbol, span)]
    if not covers:
        has = "; ".join(range_of(one) for one in found[-LISTED_MAX:])
        raise InvalidInput(f"{text[:64]} is not recorded over the whole range. There is {has}.", field="start_date")
    most = max(covers, key=lambda one: _overlap_ns(one, span))  # of equal ones the first: the newest
    venue = number_of(most, symbol)
    return next(one for one in covers if number_of(one, symbol) == venue)


def chosen(shelf: Shelf, catalogue: Catalogue, name: str, text: str, span: Span, kinds: int = DEALT) -> Recording:
    """The complete recording of an id, if it has a symbol at that time; without an id the one that covers a span.

    Raises:
        InvalidInput: with the field at fault; the message says what there is.
    """
    if not name:
        return covering(shelf, catalogue, text, span, kinds)
    try:
        recording = shelf.find(name)
        recording.whole()
    except (Unknown, Conflict) as error:
        raise InvalidInput(error.message, field="recording", hint=error.hint) from None
    symbol, _, venue = text.partition("@")
    if symbol:
        number_of(recording, symbol)
    if venue and instrument_of(recording, symbol, catalogue).venue != venue:
        has = full_name(instrument_of(recording, symbol, catalogue))
        raise InvalidInput(f"Recording {recording.id} has no {text[:64]!r}; it has {has}.", field="symbol")
    if not _touches(recording, span):
        raise InvalidInput(f"There is no row in this range. There is {range_of(recording)}.", field="start_date")
    return recording


def number_of(recording: Recording, symbol: str) -> int:
    """Number in the catalogue of a symbol of a recording. Raises InvalidInput."""
    if symbol not in recording.opened.symbols:
        has = ", ".join(recording.opened.symbols)
        raise InvalidInput(f"Recording {recording.id} has no {symbol[:64]!r}; it has {has}.", field="symbol")
    return recording.opened.instruments[recording.opened.symbols.index(symbol)]


def instrument_of(recording: Recording, symbol: str, catalogue: Catalogue) -> InstrumentRegistered:
    """The instrument of a symbol of a recording. Raises InvalidInput."""
    return catalogue.number(number_of(recording, symbol))


def full_name(instrument: InstrumentRegistered) -> str:
    """SYMBOL@VENUE."""
    return f"{instrument.symbol}@{instrument.venue}"


def _kinds(recording: Recording) -> int:
    """Kinds of rows that the loop is given of it, bit k for kind k."""
    names = {"TRADE" if kind == "bar" else kind.upper() for kind in recording.opened.kinds}
    return sum(1 << kind for kind in MarketKind if kind.name in names)


def _overlap_ns(recording: Recording, span: Span) -> int:
    whole = recording.whole()
    until_ns = whole.last_event_ns + 1 if span.until_ns is None else min(whole.last_event_ns + 1, span.until_ns)
    return until_ns - max(whole.first_event_ns, span.first_ns or 0)


def _covers(recording: Recording, symbol: str, span: Span) -> bool:
    whole, slack_ns = recording.whole(), _slack_ns(symbol, span)
    begins = span.first_ns is None or whole.first_event_ns <= span.first_ns + slack_ns
    ends = span.until_ns is None or whole.last_event_ns >= span.until_ns - slack_ns
    return begins and ends and _touches(recording, span)


def _slack_ns(symbol: str, span: Span) -> int:
    """What may be missing at either end: of a market that closes more than of one that never does."""
    most_ns, share = NEVER_CLOSES if asset_type_of(symbol) in NEVER_CLOSING else CLOSES
    if span.first_ns is None or span.until_ns is None:
        return most_ns
    return min(most_ns, round((span.until_ns - span.first_ns) * share))


def _touches(recording: Recording, span: Span) -> bool:
    whole = recording.whole()
    return (span.until_ns is None or whole.first_event_ns < span.until_ns) and (
        span.first_ns is None or whole.last_event_ns >= span.first_ns
    )
