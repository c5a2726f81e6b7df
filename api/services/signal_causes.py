"""What led to a signal: the one market row of the tape with which its session said it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from api.reading.wording import instant
from engine.loop.bars import ROWS_PER_BAR
from events import decisions, frames, subjects
from events.errors import Unknown
from events.facts import Place, SessionSpec
from events.frames import Section
from events.rows import MarketKind, SectionKind, Side
from events.tape import Message, Tape
from projections.read_models.signals import SignalRow

LOOK_BACK = (64, 1_024, 16_384)  # messages of the tape before the step that are searched, more and more
MESSAGES_MAX = 4_096  # of the source that are decoded


class Cause(msgspec.Struct, frozen=True):
    """A market row. Price in quote currency; of a bar its close, and the time at which it was known.

    Of a strategy on bars of a timeframe it is the row with which the bar closed: of a recorded bar that opened behind a
    gap, its open, of which nothing else was known.
    """

    source: str
    symbol: str
    sequence: Annotated[int, Meta(description="of the message on the tape")]
    index: Annotated[int, Meta(description="of the row in that message, from 0")]
    input: Annotated[int, Meta(description="ordinal among all rows that the session read, from 0")]
    time: str | None
    kind: Annotated[str, Meta(description="trade, quote, bar or another kind of row")]
    price: float
    quantity: float
    side: str


class _Part(NamedTuple):
    """Rows of one section that were read by then."""

    section: Section
    sequence: int
    first: int  # index of the section's first row within the message
    until: int  # how many rows of the section

    def found(self, at: int, opens: bool) -> _Found:
        return _Found(self.section, self.sequence, at, self.first + at, opens)


class _Found(NamedTuple):
    section: Section
    sequence: int
    at: int  # within the section
    place: int  # within the message
    opens: bool  # of a bar, its open is meant


async def cause_of(tape: Tape, spec: SessionSpec, signal: SignalRow) -> Cause | None:
    """The row that the session read last when it gave the signal; None where it lies too far back to be searched.

    A decision's headers say which row its step read last, and how many the session had read with it: the signal's row
    is so many rows of its instruments before; a step may end inside a bar, whose other rows count then. Bars of several
    instruments are read in order of time and not of the tape (`engine.loop.bar_path`), and bars among trades end at any
    ordinal: there it is the newest bar of the signal's instrument that had begun by then.
    Raises Unknown: the decision is not on the tape.
    """
    message = await tape.get(signal.sequence)
    if message is None:
        raise Unknown(f"Sequence {signal.sequence} is not on this tape.", field="id")
    step = decisions.from_message(message)
    first = spec.input.first.sequence if spec.input.first is not None else 1
    for span in LOOK_BACK:
        start = max(1, first, step.cause.sequence - span)
        messages = await _messages(tape, spec.input.source, start, step.cause.sequence)
        parts = list(_back(messages, step.cause))
        kinds = {part.section.kind for part in parts}
        if SectionKind.BAR in kinds and (len(spec.instruments) > 1 or len(kinds) > 1):
            found = _by_time(parts, spec, signal)
        else:
            in_bar = -step.inputs % ROWS_PER_BAR if SectionKind.BAR in kinds else 0  # rows to come of the last bar
            found = _counted_back(parts, spec, step.inputs + in_bar - 1 - signal.input)
        if found is not None:
            return _worded(found, spec, signal.input)
        if start <= max(1, first):
            return None
    return None


async def _messages(tape: Tape, source: str, start: int, end: int) -> list[Message]:
    found = []
    async for message in tape.read(start, subjects=(subjects.market(source),), end=end):
        found.append(message)
    return found[-MESSAGES_MAX:]


def _back(messages: list[Message], cause: Place) -> Iterator[_Part]:
    """Sections of messages up to a row, the last first."""
    for message in reversed(messages):
        sections = frames.decode(message.body, message.sequence)
        ends = np.cumsum([len(section.rows) for section in sections]).tolist()
        for section, end in zip(reversed(sections), reversed(ends), strict=True):
            first = end - len(section.rows)
            until = min(end, cause.index + 1) - first if message.sequence == cause.sequence else len(section.rows)
            if until > 0:
                yield _Part(section, message.sequence, first, until)


def _counted_back(parts: list[_Part], spec: SessionSpec, back: int) -> _Found | None:
    """The row that lies `back` inputs before the last; None where the parts do not go so far."""
    mine = np.array([terms.number for terms in spec.instruments])
    for part in parts:
        rows = np.flatnonzero(np.isin(part.section.rows["instrument"][: part.until], mine))
        each = ROWS_PER_BAR if part.section.kind is SectionKind.BAR else 1
        if back < len(rows) * each:
            return part.found(int(rows[-1 - back // each]), back % each == ROWS_PER_BAR - 1)
        back -= len(rows) * each
    return None


def _by_time(parts: list[_Part], spec: SessionSpec, signal: SignalRow) -> _Found | None:
    """The last row of the signal's instrument with a time up to the signal's; None where the parts have none."""
    number = next(terms.number for terms in spec.instruments if terms.symbol == signal.symbol)
    time = "ts_received_ns" if spec.designated == "received" else "ts_event_ns"
    for part in parts:
        rows = part.section.rows[: part.until]
        found = np.flatnonzero((rows["instrument"] == number) & (rows[time] <= signal.ts_event_ns))
        if len(found):
            last = int(found[-1])
            return part.found(last, int(rows["ts_event_ns"][last]) == signal.ts_event_ns)
    return None


def _worded(found: _Found, spec: SessionSpec, number: int) -> Cause:
    row = found.section.rows[found.at]
    symbol = next(terms.symbol for terms in spec.instruments if terms.number == row["instrument"])
    if found.section.kind is SectionKind.BAR:
        known = int(row["ts_event_ns"]) + int(row["interval_ns"])
        price, quantity, kind, side = float(row["close"]), float(row["volume"]), "bar", Side.NONE
        if found.opens:
            known, price, quantity = int(row["ts_event_ns"]), float(row["open"]), 0.0
    else:
        known, price, quantity = int(row["ts_event_ns"]), float(row["price"]), float(row["quantity"])
        kind, side = MarketKind(int(row["kind"])).name.lower(), Side(int(row["side"]))
    return Cause(
        source=spec.input.source,
        symbol=symbol,
        sequence=found.sequence,
        index=found.place,
        input=number,
        time=instant(known),
        kind=kind,
        price=price,
        quantity=quantity,
        side=side.name.lower(),
    )
