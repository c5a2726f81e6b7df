"""Signals of a decision in the words of contract 003, for the sockets."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from engine.sessions import history
from engine.sessions.lanes import lanes_of
from events import frames, subjects
from events.clock import iso
from events.facts import SessionSpec
from events.rows import Code, SectionKind, Side
from events.tape import Message, Tape

SPECS_MAX = 256  # sessions whose instruments and strategies are kept
SIGNALS_MAX = 200  # of one decision
SIDES = {int(Side.BUY): "buy", int(Side.SELL): "sell"}


class SignalWording:
    """Words signals; what a session trades is read from the tape once."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._specs: OrderedDict[str, SessionSpec] = OrderedDict()

    async def of(self, message: Message) -> list[dict[str, Any]]:
        """The signals of a decision message. Raises Undecodable, Unknown, TapeUnavailable."""
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
            for at, row in enumerate(section.rows[:SIGNALS_MAX]):
                strategy = lanes[int(row["lane"])].strategy.strategy
                side, strength = int(row["side"]), abs(float(row["strength"]))
                worded.append(
                    {
                        "id": f"{name}-{section.ordinal + at}",
                        "symbol": symbols.get(int(row["instrument"]), str(row["instrument"])),
                        "time": iso(int(row["ts_event_ns"])),
                        "score": side * strength / (1 + strength),
                        "side": SIDES.get(side, "neutral"),
                        "pattern": strategy,
                        "meta": {
                            "session": name,
                            "price": float(row["price"]),
                            "strength": float(row["strength"]),
                            "code": Code(int(row["code"])).name,
                        },
                    }
                )
        return worded

    async def _spec(self, session: str) -> SessionSpec:
        spec = self._specs.get(session)
        if spec is None:
            started, _ = await history.find(self._tape, session)
            spec = self._specs[session] = started.spec
            if len(self._specs) > SPECS_MAX:
                self._specs.popitem(last=False)
        return spec
