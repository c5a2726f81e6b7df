"""Instruments of configured sources get their numbers before anybody names them: a first session can start at once."""

from __future__ import annotations

from collections.abc import Iterable

from engine import catalogue
from engine.sources.source import Source, feed_of
from events.clock import Clock
from events.tape import Tape


async def introduce(tape: Tape, clock: Clock, sources: Iterable[Source]) -> None:
    """Register what simulated sources trade. What a file holds is known when it was played: reading it takes long.

    Repeated, it appends nothing. Raises OperatingError.
    """
    for source in sources:
        if source.kind == "simulated":
            told = feed_of(source, clock.now_ns()).survey()
            await catalogue.register(tape, list(told.instruments), source.id)
