"""Stretches of recordings by time: where their rows lie between two moments."""

from __future__ import annotations

import msgspec
import numpy as np

from engine.recordings.reading import RowsInput, rows_of_message
from engine.recordings.shelf import Recording
from events import subjects
from events.clock import iso
from events.errors import InvalidInput, TapeRefused
from events.facts import Place
from events.rows import MarketKind
from events.tape import Message, Tape

DAY_NS = 86_400 * 1_000_000_000
PRICE_MESSAGES_MAX = 1_000  # read to find an instrument's first price

Times = np.ndarray  # int64[n], ns UTC


class Span(msgspec.Struct, frozen=True):
    """A stretch of time, ns UTC: from `first_ns` on, before `until_ns`. None: without that end."""

    first_ns: int | None = None
    until_ns: int | None = None


class Stretch(msgspec.Struct, frozen=True):
    """Rows of a recording, both ends included, and the times of these two rows."""

    first: Place
    last: Place
    first_ns: int
    last_ns: int


def range_of(recording: Recording) -> str:
    """What a recording spans, in words."""
    whole = recording.whole()
    return f"{iso(whole.first_event_ns)[:19]}Z to {iso(whole.last_event_ns)[:19]}Z ({recording.id})"


async def stretch(tape: Tape, recording: Recording, span: Span) -> Stretch:
    """The rows of a recording within a span, by its designated time (as a running maximum, like the loop's time).

    Raises:
        InvalidInput: no row lies within.
        Conflict: the recording is not complete.
    """
    ruler = _Ruler(tape, recording)
    whole = recording.whole()
    first, last = whole.first, whole.last
    if span.first_ns is not None and span.first_ns > whole.first_event_ns:
        first = await ruler.reaching(span.first_ns) or last
    if span.until_ns is not None and span.until_ns <= whole.last_event_ns:
        last = await ruler.before(span.until_ns) or first
    first_ns, last_ns = await ruler.time(first), await ruler.time(last)
    empty = first > last or (span.first_ns or 0) > last_ns or (span.until_ns is not None and first_ns >= span.until_ns)
    if empty:
        raise InvalidInput(f"There is no row in this range. There is {range_of(recording)}.", field="start_date")
    return Stretch(first, last, first_ns, last_ns)


async def first_price(tape: Tape, recording: Recording, instrument: int, first: Place) -> float:
    """The first trade's price, or bar's open, of an instrument from a place of a recording on.

    Raises:
        InvalidInput: there is none within `PRICE_MESSAGES_MAX` messages.
    """
    subject, last = subjects.market(recording.opened.source), recording.whole().last.sequence
    seen = 0
    async for message in tape.read(first.sequence, subjects=(subject,)):
        if message.sequence > last or seen == PRICE_MESSAGES_MAX:
            break
        seen += 1
        price = _price_in(message, instrument, first.index if message.sequence == first.sequence else 0)
        if price > 0.0:
            return price
    raise InvalidInput("No price is recorded at the beginning of this range.", field="symbol")


def _price_in(message: Message, instrument: int, begin: int) -> float:
    """The first price of an instrument in a message from a row on; 0 where there is none."""
    for one in _inputs(message):
        rows = one.rows[begin:]
        begin = max(0, begin - len(one.rows))
        bars = "open" in (rows.dtype.names or ())
        mine = rows[(rows["instrument"] == instrument) & (bars or rows["kind"] == MarketKind.TRADE)]
        prices = mine["open" if bars else "price"]
        if (prices > 0.0).any():
            return float(prices[prices > 0.0][0])
    return 0.0


class _Ruler:
    """Places of a recording by time. Reads some twenty messages, however long the recording is."""

    def __init__(self, tape: Tape, recording: Recording) -> None:
        whole = recording.whole()
        self._tape = tape
        self._subject = subjects.market(recording.opened.source)
        self._field = "ts_received_ns" if recording.opened.designated == "received" else "ts_event_ns"
        self._first, self._last = whole.first, whole.last

    async def reaching(self, ts_ns: int) -> Place | None:
        """The first row at which the recording's time is at or behind `ts_ns`; None where it never is."""
        message = await self._message_reaching(ts_ns)
        if message is None:
            return None
        times = self._times(message)
        index = int(np.searchsorted(times, ts_ns)) + self._begins(message)
        return Place(message.sequence, index) if Place(message.sequence, index) <= self._last else None

    async def before(self, ts_ns: int) -> Place | None:
        """The row before the first at which the recording's time is at or behind `ts_ns`; None where there is none."""
        place = await self.reaching(ts_ns)
        if place is None:
            return self._last
        if place <= self._first:
            return None
        if place.index:
            return Place(place.sequence, place.index - 1)
        # the search ended between two messages that follow each other on the source
        earlier = await self._at(await self._sequence_before(place.sequence))
        return Place(earlier.sequence, _count(earlier) - 1)

    async def time(self, place: Place) -> int:
        """The recording's time at a row."""
        message = await self._at(place.sequence)
        return int(self._times(message)[place.index - self._begins(message)])

    async def _message_reaching(self, ts_ns: int) -> Message | None:
        """The first message whose time reaches `ts_ns`; times of messages do not run backward."""
        low, high = self._first.sequence, self._last.sequence + 1  # answer in [low, high]; high: none
        found: Message | None = None
        while low < high:
            middle = (low + high) // 2
            message = await self._at(middle)
            if message.sequence > self._last.sequence or self._times(message)[-1] >= ts_ns:
                high = middle
                found = message if message.sequence <= self._last.sequence else found
            else:
                low = message.sequence + 1
        return found

    async def _sequence_before(self, sequence: int) -> int:
        """Sequence of the source's last message before another."""
        low, high = self._first.sequence, sequence
        while low < high:
            middle = (low + high) // 2
            message = await self._at(middle + 1)
            if message.sequence >= sequence:
                high = middle
            else:
                low = message.sequence
        return low

    async def _at(self, sequence: int) -> Message:
        """The first message of the source at or behind a sequence."""
        page = await self._tape.page(sequence, subjects=(self._subject,), limit=1)
        if not page.messages:
            raise TapeRefused(f"{self._subject} ends before {sequence}.", sequence=sequence)
        return page.messages[0]

    def _begins(self, message: Message) -> int:
        """Index of the recording's first row in a message."""
        return self._first.index if message.sequence == self._first.sequence else 0

    def _times(self, message: Message) -> Times:
        """Running maximum of the designated time over the recording's rows of a message."""
        rows = _inputs(message)
        times = np.concatenate([one.rows[self._field] for one in rows]).astype(np.int64)
        end = self._last.index + 1 if message.sequence == self._last.sequence else len(times)
        return np.maximum.accumulate(times[self._begins(message) : end])


def _inputs(message: Message) -> list[RowsInput]:
    return rows_of_message(message, Place())


def _count(message: Message) -> int:
    return sum(len(one.rows) for one in _inputs(message))
