"""The table of an ended sweep, out of its own log."""

from __future__ import annotations

import msgspec

from engine.research.sweeping import SweepRow
from events import codec, subjects
from events.facts import ResearchCompleted
from events.tape import Tape


async def table(tape: Tape, session: str) -> list[SweepRow]:
    """Every run once, in the order of the grid; none where the sweep was stopped. A long table is several facts."""
    found: dict[int, SweepRow] = {}
    async for message in tape.read(1, subjects=(subjects.session_fact(session, research=True),)):
        fact = codec.decode(message.body, message.sequence)
        if isinstance(fact, ResearchCompleted):
            found |= {row.run: row for row in msgspec.json.decode(fact.body, type=list[SweepRow])}
    return [found[run] for run in sorted(found)]
