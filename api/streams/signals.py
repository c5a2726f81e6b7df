"""Signals of a decision in the words of contract 003, for the sockets."""

from __future__ import annotations

from collections import OrderedDict

import structlog

from api.reading.signals import Signal, signal_of
from engine.sessions import history
from engine.sessions.lanes import lanes_of
from events import frames, subjects
from events.facts import SessionSpec
from events.rows import SectionKind
from events.tape import Message, Tape
from projections.read_models.signals import Typical, row_of

SPECS_MAX = 256  # sessions whose instruments and strategies are kept
SIGNALS_MAX = 200  # of one decision

log = structlog.get_logger(__name__)


class SignalWording:
    """Words signals; what a session trades is read from the tape once."""

    def __init__(self, tape: Tape, typical: Typical) -> None:
        self._tape = tape
        self._typical = typical
        self._specs: OrderedDict[str, SessionSpec] = OrderedDict()

    async def of(self, message: Message) -> list[Signal]:
        """The signals of a decision message, the first `SIGNALS_MAX`. Raises Undecodable, Unknown, TapeUnavailable."""
        sections = frames.decode(message.body, message.sequence)
        found = [one for one in sections if one.kind is SectionKind.SIGNAL]
        name = subjects.session_of(message.subject)
        if not found or name is None:
            return []
        spec = await self._spec(name)
        symbols = {one.number: one.symbol for one in spec.instruments}
        lanes = lanes_of(spec)
        worded = []
        for section in found:
            if len(section.rows) > SIGNALS_MAX:
                log.warning("signals_left_out", sequence=message.sequence, signals=len(section.rows), told=SIGNALS_MAX)
            for at, row in enumerate(section.rows[:SIGNALS_MAX]):
                strategy = lanes[int(row["lane"])].strategy.strategy
                symbol = symbols.get(int(row["instrument"]), str(row["instrument"]))
                place = (section.ordinal + at, message.sequence, at)
                worded.append(signal_of(row_of(row, name, strategy, symbol, place), self._typical))
        return worded

    async def _spec(self, session: str) -> SessionSpec:
        spec = self._specs.get(session)
        if spec is None:
            started, _ = await history.find(self._tape, session)
            spec = self._specs[session] = started.spec
            if len(self._specs) > SPECS_MAX:
                self._specs.popitem(last=False)
        return spec
