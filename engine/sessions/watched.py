"""One step of a session, watched where there is a watchdog."""

from __future__ import annotations

from engine.loop.bars import ROWS_PER_BAR
from engine.recordings.reading import RowsInput
from engine.sessions.decider import Decider
from engine.sessions.life import Session
from engine.sessions.outputs import Produced
from engine.sessions.watchdog import Step, Watchdog
from events.rows import SectionKind


def decide(
    watchdog: Watchdog | None, session: Session, decider: Decider, item: RowsInput, stretch: tuple[int, int]
) -> Produced:
    """Decide the rows of a stretch of an input."""
    at, end = stretch
    rows = item.rows[at:end]
    if watchdog is None:
        return decider.rows(rows, item.kind)
    first, spec = decider.inputs, session.spec
    last = first + len(rows) * (ROWS_PER_BAR if item.kind is SectionKind.BAR else 1)
    step = Step(spec.session, spec.research, session.engine, session.epoch, first, last, item.place(at))
    with watchdog.step(step):
        return decider.rows(rows, item.kind)
