"""Which recording a replay of contract 002 takes, which names a symbol and how many bars of it."""

from __future__ import annotations

from typing import Protocol

from api.house import House
from engine.jobs.backtest import number_of
from engine.recordings.last_bars import Bars, last_bars
from engine.recordings.reading import RecordingReader
from engine.recordings.shelf import Recording, RecordingState
from engine.recordings.stretches import Span, chosen, covering
from events.errors import InvalidInput
from events.facts.catalogue import InstrumentRegistered
from events.symbols import spelled

COUNTED_ROWS_MAX = 1_000_000  # rows of a recording whose bars are counted while somebody waits
COUNTED_MAX = 4  # recordings whose bars are counted; of others the time and the rows say how many there can be


class Replayed(Protocol):
    """What is asked for."""

    @property
    def symbol(self) -> str:
        """Or SYMBOL@VENUE."""

    @property
    def recording(self) -> str | None:
        """Its id, or the beginning of one; None: whichever holds the bars."""

    @property
    def bars(self) -> int:
        """How many."""


async def replayed(house: House, asked: Replayed, bar_ns: int) -> tuple[Recording, InstrumentRegistered]:
    """The recording that is named, else the newest that holds so many bars, else of those that hold most the newest.

    Raises:
        InvalidInput: no such recording; nothing of the symbol, with what there is; or several venues have it.
    """
    named = asked.recording
    symbol, _, venue = spelled(asked.symbol, house.lookups.shelf.symbols()).partition("@")
    found = [chosen(house.lookups.shelf, named, symbol, Span())] if named else _complete(house, symbol)
    of = [(one, house.lookups.catalogue.number(number_of(one, symbol))) for one in found]
    mine = [(one, instrument) for one, instrument in of if venue in ("", instrument.venue)]
    venues = list(dict.fromkeys(f"{symbol}@{instrument.venue}" for _, instrument in (mine or of)))
    if not mine:
        there = ", ".join(venues)
        raise InvalidInput(f"Nothing of {asked.symbol[:64]!r} is recorded. There is {there}.", field="symbol")
    if len(venues) > 1:
        raise InvalidInput(
            f"{symbol[:64]} is recorded of several venues: name one of {', '.join(venues)}.", field="symbol"
        )
    instrument = mine[0][1]
    wanted = Bars(asked.bars, bar_ns, instrument.number)
    return await _holding(house, [one for one, _ in mine], wanted), instrument


def _complete(house: House, symbol: str) -> list[Recording]:
    """Complete ones of a symbol that have rows, the newest last. Raises InvalidInput: none."""
    covering(house.lookups.shelf, symbol, Span())
    return [one for one in _whole(house) if symbol in one.opened.symbols and one.whole().rows]


def _whole(house: House) -> list[Recording]:
    return [one for one in house.lookups.shelf.recordings.values() if one.state is RecordingState.COMPLETE]


async def _holding(house: House, found: list[Recording], wanted: Bars) -> Recording:
    best, most, counted = found[-1], -1, 0
    if len(found) == 1:
        return best
    for recording in reversed(found):
        there = _at_most(recording, wanted)
        if there <= most:
            continue
        if recording.whole().rows <= COUNTED_ROWS_MAX and counted < COUNTED_MAX:
            counted += 1
            there = (await last_bars(house.tape, RecordingReader(house.tape), recording, Span(), wanted)).bars
        if there >= wanted.bars:
            return recording
        if there > most:
            best, most = recording, there
    return best


def _at_most(recording: Recording, wanted: Bars) -> int:
    """How many bars it can hold."""
    whole = recording.whole()
    spanned = (whole.last_event_ns - whole.first_event_ns) // wanted.length_ns + 2
    return min(spanned, whole.rows)
