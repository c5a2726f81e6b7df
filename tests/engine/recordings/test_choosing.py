"""Which recording a symbol and a range of time mean."""

from __future__ import annotations

import msgspec
import pytest

from engine.catalogue import Catalogue, InstrumentForm
from engine.recordings.choosing import candidates, chosen, covering
from engine.recordings.shelf import Shelf
from engine.recordings.stretches import Span
from events.clock import iso
from events.errors import InvalidInput
from events.facts import Place
from events.rows import MarketKind
from tests.engine.recordings.test_stretches import BEGIN_NS, DAY_NS, completed, opened

NOWHERE = Catalogue()  # a venue matters only where one is named
VENUES = ("MT5", "FXCM", "OANDA")  # by number
QUOTES = ("bid", "ask")


def test_the_newest_recording_that_covers_is_taken() -> None:
    """Of several recordings the newest that covers the span; a weekend may be missing at its ends, a week may not."""
    shelf, place = Shelf(), (Place(1, 0), Place(2, 0))
    shelf.evolve(opened("long"), 1)
    shelf.evolve(completed("long", place, (BEGIN_NS, BEGIN_NS + 60 * DAY_NS)), 2)
    shelf.evolve(opened("short"), 3)
    shelf.evolve(completed("short", place, (BEGIN_NS + 20 * DAY_NS, BEGIN_NS + 40 * DAY_NS)), 4)
    shelf.evolve(opened("open"), 5)

    def taken(first: float, until: float) -> str:
        return covering(shelf, NOWHERE, "AAA", Span(BEGIN_NS + int(first * DAY_NS), BEGIN_NS + int(until * DAY_NS))).id

    assert (taken(25, 35), taken(17, 43), taken(10, 35), taken(25, 50)) == ("short", "short", "long", "long")
    assert taken(-3, 63) == "long"
    assert covering(shelf, NOWHERE, "AAA", Span()).id == "short"
    for first, until in ((-5, 50), (0, 65), (100, 110), (-30, -20)):
        with pytest.raises(InvalidInput, match=iso(BEGIN_NS)[:19]) as caught:
            taken(first, until)
        assert caught.value.field == "start_date"
    with pytest.raises(InvalidInput, match="AAA, BBB"):
        covering(shelf, NOWHERE, "ZZZ", Span())
    with pytest.raises(InvalidInput, match="ends before it begins"):
        covering(shelf, NOWHERE, "AAA", Span(2, 1))


@pytest.mark.parametrize(
    ("symbol", "missing", "days", "is_taken"),
    [
        ("EURUSD", 4.0, 60, True),  # a weekend and holidays
        ("EURUSD", 4.1, 60, False),
        ("EURUSD", 2.1, 4, False),  # most of a short range
        ("BTC_USDT", 1.0, 60, True),
        ("BTC_USDT", 1.1, 60, False),  # never closes
        ("BTC_USDT", 1.1, 4, False),
        ("ETH-PERP", 2.0, 6, False),
    ],
)
def test_what_may_be_missing_at_an_end(symbol: str, missing: float, days: int, is_taken: bool) -> None:
    """A market that closes may miss days at an end, one that never does a day; never most of a short range."""
    shelf, place = Shelf(), (Place(1, 0), Place(2, 0))
    shelf.evolve(msgspec.structs.replace(opened("rec"), symbols=(symbol, "BBB")), 1)
    shelf.evolve(completed("rec", place, (BEGIN_NS, BEGIN_NS + 100 * DAY_NS)), 2)
    for first_ns in (BEGIN_NS - int(missing * DAY_NS), BEGIN_NS + int((100 + missing - days) * DAY_NS)):
        span = Span(first_ns, first_ns + days * DAY_NS)
        if is_taken:
            assert covering(shelf, NOWHERE, symbol, span).id == "rec"
        else:
            with pytest.raises(InvalidInput, match="not recorded over the whole range"):
                covering(shelf, NOWHERE, symbol, span)


@pytest.mark.parametrize(
    ("name", "symbol", "span", "field"),
    [
        ("nosuch", "AAA", Span(), "recording"),
        ("open", "AAA", Span(), "recording"),
        ("rec", "CCC", Span(), "symbol"),
        ("rec", "AAA", Span(BEGIN_NS + 3 * DAY_NS), "start_date"),
    ],
)
def test_a_recording_that_does_not_have_it_is_refused(name: str, symbol: str, span: Span, field: str) -> None:
    """One that is not there, not complete, without the symbol or out of the range: with the field at fault."""
    shelf = Shelf()
    shelf.evolve(opened("rec"), 1)
    shelf.evolve(completed("rec", (Place(1, 0), Place(2, 0)), (BEGIN_NS, BEGIN_NS + DAY_NS)), 2)
    shelf.evolve(opened("open"), 3)
    assert (
        chosen(shelf, NOWHERE, "rec", "AAA", Span(BEGIN_NS + 1)).id
        == chosen(shelf, NOWHERE, "", "AAA", Span()).id
        == "rec"
    )
    with pytest.raises(InvalidInput) as caught:
        chosen(shelf, NOWHERE, name, symbol, span)
    assert caught.value.field == field


def two_venues(*made: tuple[str, int, tuple[str, ...], float, float]) -> tuple[Shelf, Catalogue]:
    """Recordings of EURUSD: id, number of the instrument, kinds, first and last day; and a catalogue of its venues."""
    shelf, catalogue = Shelf(), Catalogue()
    for number, venue in enumerate(VENUES, 1):
        [registered] = catalogue.missing([InstrumentForm(symbol="EURUSD", venue=venue)])
        catalogue.evolve(registered, number)
    for name, number, kinds, first, last in made:
        fact = msgspec.structs.replace(opened(name), instruments=(number,), symbols=("EURUSD",), kinds=kinds)
        shelf.evolve(fact, 1)
        ends = (BEGIN_NS + int(first * DAY_NS), BEGIN_NS + int(last * DAY_NS))
        shelf.evolve(completed(name, (Place(1, 0), Place(2, 0)), ends), 2)
    return shelf, catalogue


@pytest.mark.parametrize(
    ("text", "days", "kinds", "taken"),
    [
        ("EURUSD", (10, 20), MarketKind.TRADE, "bars"),  # not the quotes, which are newer
        ("EURUSD", (10, 20), MarketKind.BID, "quotes"),
        ("eur/usd@FXCM", (10, 20), MarketKind.TRADE, "quotes"),  # who names it has it
        ("EURUSD", (50, 60), MarketKind.TRADE, "later"),  # of the whole range, not of a part
        ("EURUSD", (40, 49), MarketKind.TRADE, "later"),  # of both: the newer one
        ("EURUSD@MT5", (40, 49), MarketKind.TRADE, "bars"),
    ],
)
def test_the_venue_that_has_what_is_asked_is_taken(
    text: str, days: tuple[int, int], kinds: MarketKind, taken: str
) -> None:
    """Of a symbol of several venues: one whose rows are decided on, then that which has most of the range."""
    shelf, catalogue = two_venues(
        ("bars", 1, ("bar",), 0, 58), ("later", 3, ("trade", "bid"), 40, 90), ("quotes", 2, QUOTES, 0, 90)
    )
    if kinds is MarketKind.BID:
        shelf, catalogue = two_venues(("quotes", 2, QUOTES, 0, 90), ("bars", 1, ("bar",), 0, 58))
    span = Span(BEGIN_NS + days[0] * DAY_NS, BEGIN_NS + days[1] * DAY_NS)
    assert covering(shelf, catalogue, text, span, 1 << kinds).id == taken
    assert chosen(shelf, catalogue, "", text, span, 1 << kinds).id == taken


def test_a_venue_that_has_nothing_is_refused_with_those_that_have() -> None:
    """Whether the recording is named or not."""
    shelf, catalogue = two_venues(("bars", 1, ("bar",), 0, 58), ("quotes", 2, QUOTES, 0, 90))
    with pytest.raises(InvalidInput, match="There is EURUSD@FXCM, EURUSD@MT5"):
        candidates(shelf, catalogue, "EURUSD@OANDA")
    with pytest.raises(InvalidInput, match="it has EURUSD@MT5"):
        chosen(shelf, catalogue, "bars", "EURUSD@FXCM", Span())
