"""Notes of processes that their watchdog ended become facts of the sessions concerned."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import structlog

from engine.sessions import history as histories
from engine.sessions.life import OVER
from engine.sessions.watchdog import Note
from events import codec, subjects
from events.errors import FenceLost
from events.facts import StepOverran
from events.tape import Tape

log = structlog.get_logger(__name__)

TRIES_MAX = 20  # where the session is written to at the same time


async def tell(tape: Tape, folder: Path) -> None:
    """Append what the notes in a folder say, each once, and remove them.

    Raises:
        TapeUnavailable, OutcomeUnknown: the tape does not answer; the notes stay.
    """
    for path in await asyncio.to_thread(lambda: sorted(folder.glob("*.json"))):
        note = await asyncio.to_thread(_read, path)
        if note is not None and note.tape_epoch == (await tape.info()).epoch:
            await _tell(tape, note)
        path.unlink(missing_ok=True)


def _read(path: Path) -> Note | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Note)
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("note_unreadable", path=path.name, error=str(error))
        return None


async def _tell(tape: Tape, note: Note) -> None:
    step = note.step
    for _ in range(TRIES_MAX):
        last = await tape.last(subjects.session_fence(step.session, research=step.research))
        session = await histories.life(tape, step.session, research=step.research)
        if last is None or session is None or session.state in OVER:
            return
        if any(known.epoch == step.epoch for known in session.overruns):
            return
        try:
            await tape.append(
                codec.to_append(
                    _fact(note),
                    subjects.session_fact(step.session, research=step.research),
                    f"{step.session}:overran:{step.epoch}",
                    expected=last.sequence,
                    fence=subjects.session_fence(step.session, research=step.research),
                )
            )
        except FenceLost:
            continue
        log.warning("step_overrun_told", session=step.session, epoch=step.epoch, first_input=step.first_input)
        return
    log.error("step_overrun_not_told", session=step.session, epoch=step.epoch, tries=TRIES_MAX)


def _fact(note: Note) -> StepOverran:
    step = note.step
    return StepOverran(
        session=step.session,
        engine=step.engine,
        epoch=step.epoch,
        first_input=step.first_input,
        last_input=step.last_input,
        at=step.at,
        seconds=note.seconds,
    )
