"""The end of a session that nobody runs, suspended or never claimed: its log says all."""

from __future__ import annotations

from engine.sessions import history as histories
from engine.sessions.decision_hash import DecisionHash
from engine.sessions.endings import reason_of
from engine.sessions.life import Session
from events import decisions, subjects
from events.clock import Clock
from events.facts import Place, SessionEnded, StopSession
from events.rows import DECISION_KINDS, SectionKind
from events.tape import Tape


async def end_of(tape: Tape, clock: Clock, session: Session, command: StopSession) -> SessionEnded:
    """The end of such a session, with the hash of all that its log holds. Raises OperatingError."""
    spec = session.spec
    held = (await histories.read(tape, spec.session)).held
    whole = DecisionHash()
    for kind in DECISION_KINDS:
        whole.add(kind, held.rows(kind, 0))
    marks = held.rows(SectionKind.MARK, 0)
    last = await tape.last(subjects.session_decision(spec.session, research=spec.research))
    decision = decisions.from_message(last) if last else None
    return SessionEnded(
        session=spec.session,
        reason=reason_of(command),
        inputs=decision.inputs if decision else 0,
        place=decision.cause if decision else Place(),
        decision_hash=whole.hexdigest(),
        counts=whole.counts(),
        equity=float(marks["equity"][-1]) if len(marks) else spec.limits.cash,
        ended_ns=clock.now_ns(),
    )
