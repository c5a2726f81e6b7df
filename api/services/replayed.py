"""Which recording a replay of contract 002 takes, which names a symbol and how many bars of it."""

from __future__ import annotations

from typing import Protocol

from api.house import House
from engine.recordings.choosing import candidates, chosen, instrument_of, number_of
from engine.recordings.last_bars import Bars, last_bars
from engine.recordings.reading import RecordingReader
from engine.recordings.shelf import Recording
from engine.recordings.stretches import Span
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

    Where several venues have the symbol, it is of whichever has that recording.

    Raises:
        InvalidInput: no such recording; or nothing of the symbol, with what there is.
    """
    shelf, catalogue = house.lookups.shelf, house.lookups.catalogue
    text = spelled(asked.symbol, shelf.symbols())
    symbol = text.partition("@")[0]
    if asked.recording:
        recording = chosen(shelf, catalogue, asked.recording, text, Span())
    else:
        found = [(one, number_of(one, symbol)) for one in candidates(shelf, catalogue, text)]
        recording = await _holding(house, [(one, Bars(asked.bars, bar_ns, number)) for one, number in found])
    return recording, instrument_of(recording, symbol, catalogue)


async def _holding(house: House, found: list[tuple[Recording, Bars]]) -> Recording:
    """Of the oldest first."""
    best, most, counted = found[-1][0], -1, 0
    if len(found) == 1:
        return best
    for recording, wanted in reversed(found):
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
