"""A collect session: it holds its source so that rows come, runs no loop, and its stretch is a recording at its end."""

from __future__ import annotations

import contextlib

import structlog

from engine.answers import accepted, refused
from engine.recordings.reading import RowsInput
from engine.sessions import history as histories
from engine.sessions.collected import Collected
from engine.sessions.decision_hash import DecisionHash
from engine.sessions.inputs import CommandInput, TailInputs
from engine.sessions.life import Session
from engine.sessions.progress import ProgressTimes
from engine.sessions.runner import Surroundings
from events import codec, subjects
from events.errors import FenceLost
from events.facts import (
    Command,
    CommandAccepted,
    CommandRefused,
    Fact,
    Place,
    SessionEnded,
    SessionProgressed,
    StopSession,
)
from events.iteration import paused

log = structlog.get_logger(__name__)


class Collector:
    """Waits for the stop of one claimed collect session and ends it."""

    def __init__(self, around: Surroundings, session: Session, claim: int) -> None:
        self._around = around
        self._session = session
        self._last = claim
        self._inputs = session.inputs  # as it told last: what came before is not counted again
        self._place = session.place
        self._collected = Collected(session.spec, around.clock.now_ns())
        self._progress = ProgressTimes(around.clock, around.settings.progress_seconds)

    async def run(self) -> None:
        """Until a stop, or until the fence is lost. Raises OperatingError."""
        spec = self._session.spec
        history = await histories.read(self._around.tape, spec.session)
        await self._collected.read_again(self._around.reader, self._session.after, self._place)
        after = max(self._place, Place(self._session.after, 1 << 40))
        inputs = TailInputs(self._around.tape, spec.input.source, spec.session, after, self._session.after)
        items = paused(inputs.read(), self._around.settings.progress_seconds)
        try:
            async with contextlib.aclosing(items):
                async for item in items:
                    if not isinstance(item, CommandInput):
                        await self._read(item)
                    elif await self._answer(item, history.answered):
                        await self._end()
                        return
        except FenceLost as error:
            log.warning("collector_is_stale", session=spec.session, error=str(error))
        finally:
            await inputs.close()

    async def _read(self, item: RowsInput | None) -> None:
        """Rows, or that none came for a while."""
        if item is not None:
            self._inputs += len(item.rows)
            self._place = item.last
            self._collected.add(item)
        await self._tell()

    async def _tell(self) -> None:
        """How far it has read, at most every `progress_seconds`; also what came before the source fell silent."""
        if self._progress.due(self._inputs):
            name, epoch = self._session.spec.session, self._session.epoch
            fact = SessionProgressed(
                session=name, epoch=epoch, inputs=self._inputs, place=self._place, collected=self._collected.rows
            )
            await self._append(fact, f"{name}:progress:{epoch}:{self._inputs}")

    async def _answer(self, item: CommandInput, answered: dict[int, CommandAccepted | CommandRefused]) -> bool:
        command: Command = item.command
        stop = isinstance(command, StopSession)
        if item.sequence not in answered:
            name = self._session.spec.session
            answer: Fact = accepted(command, item.sequence, name, effective_input=self._inputs)
            if not stop:
                message = "A collect session trades nothing; it only takes a stop."
                answer = refused(command, item.sequence, name, ("CONFLICT", message, None))
            await self._append(answer, f"answer:{item.sequence}")
        return stop

    async def _end(self) -> None:
        name = self._session.spec.session
        await self._collected.keep(self._around.tape, self._around.clock.now_ns())
        fact = SessionEnded(
            session=name,
            reason="stopped",
            inputs=self._inputs,
            place=self._place,
            decision_hash=DecisionHash().hexdigest(),
            counts=DecisionHash().counts(),
            equity=0.0,
            ended_ns=self._around.clock.now_ns(),
        )
        await self._append(fact, f"{name}:ended")

    async def _append(self, fact: Fact, message_id: str) -> None:
        name = self._session.spec.session
        subject = subjects.session_fact(name)
        fence = subjects.session_fence(name)
        append = codec.to_append(fact, subject, message_id, expected=self._last, fence=fence)
        self._last = await self._around.tape.append(append)
