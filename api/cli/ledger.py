"""All sessions of a tape, folded from their life-cycle facts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from api.cli.running import reached
from api.settings import Settings
from engine.sessions.life import Session, begin, evolve
from events import codec
from events.clock import iso
from events.facts import Fact, SessionEnded, SessionFailed, SessionStarted
from events.tape import Tape


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One session as lists show it."""

    session: str
    name: str
    mode: str
    state: str
    user: str
    strategies: tuple[str, ...]
    symbols: tuple[str, ...]
    reads: str  # recording, or source
    research: bool
    parent: str | None
    engine: str
    inputs: int
    started: str
    ended: str = ""
    reason: str = ""
    equity: float | None = None
    decision_hash: str = ""
    error: str = ""


async def listed(settings: Settings) -> list[Listed]:
    """Every session, newest first."""
    async with reached(settings) as line:
        return await of_tape(line.tape)


async def of_tape(tape: Tape, session: str = "*") -> list[Listed]:
    """Sessions of a tape, newest first; one of them where it is named."""
    lives: dict[str, Session] = {}
    started: dict[str, SessionStarted] = {}
    over: dict[str, SessionEnded | SessionFailed] = {}
    async for message in tape.read(1, subjects=(f"tape.session.{session}.fact", f"tape.research.{session}.fact")):
        fact = codec.decode(message.body, message.sequence)
        if isinstance(fact, SessionStarted):
            started[fact.spec.session] = fact
            lives[fact.spec.session] = begin(fact, message.sequence)
        elif isinstance(fact, Fact) and (name := getattr(fact, "session", "")) in lives:
            lives[name] = evolve(lives[name], fact, message.sequence)
        if isinstance(fact, SessionEnded | SessionFailed):
            over[fact.session] = fact
    return [_listed(lives[name], fact, over.get(name)) for name, fact in reversed(started.items())]


def chosen(found: Sequence[Listed], modes: Sequence[str], states: Sequence[str], research: bool) -> list[Listed]:
    """Those of the modes and states; research only where it is wanted."""
    return [
        one
        for one in found
        if (not modes or one.mode in modes)
        and (not states or one.state in states)
        and (research or not one.research or one.mode in modes)
    ]


def _listed(session: Session, fact: SessionStarted, over: SessionEnded | SessionFailed | None) -> Listed:
    spec = fact.spec
    ended = over if isinstance(over, SessionEnded) else None
    return Listed(
        session=spec.session,
        name=spec.name,
        mode=spec.mode,
        state=session.state.value,
        user=spec.user,
        strategies=tuple(one.strategy for one in spec.strategies),
        symbols=tuple(one.symbol for one in spec.instruments),
        reads=spec.input.recording or spec.input.source,
        research=spec.research,
        parent=spec.parent,
        engine=session.engine,
        inputs=session.inputs,
        started=iso(fact.started_ns),
        ended=iso(over.ended_ns) if over else "",
        reason=ended.reason if ended else "",
        equity=ended.equity if ended else None,
        decision_hash=ended.decision_hash if ended else "",
        error=over.message if isinstance(over, SessionFailed) else "",
    )
