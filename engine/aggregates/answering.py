"""Answering: appends what the aggregates decide. Any number of processes may do so at once.

All fold the same tape and propose the same answer; the fence on an aggregate's subject lets one through, and the
message id of an answer is made of its command's sequence.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from engine.aggregates.aggregate import Aggregate, Folded, FoldedState
from engine.answers import Answer
from engine.memory import Fold, Memory, code_of
from engine.taking_part import Part, TakingPart
from events import codec
from events.clock import Clock
from events.errors import FenceLost
from events.facts import Fact
from events.subjects import matches
from events.tape import Append, Blobs, Message, Tape

log = structlog.get_logger(__name__)


# beside the aggregates' own modules: what their fold is made of
FOLDING = ("engine.aggregates.aggregate", "engine.answers", "engine.jobs.life", "engine.jobs.queue")
LOOK_SECONDS = 1.0  # how often open commands are looked at where nothing new is folded


class Answering:
    """Folds aggregates and answers their commands until `close`."""

    def __init__(self, tape: Tape, clock: Clock, aggregates: Sequence[Aggregate], blobs: Blobs | None = None) -> None:
        self._tape = tape
        self._blobs = blobs
        self._all = [Folded(each) for each in aggregates]
        subjects = tuple(dict.fromkeys(subject for each in self._all for subject in each.subjects))
        self._part = TakingPart(tape, clock, Part("answering", subjects, self._fold, self._act, LOOK_SECONDS))

    async def start(self) -> None:
        """Fold the tape so far, then take part."""
        await self._part.start(memory=Memory(self._tape, self._blobs, self._kept()) if self._blobs else None)

    async def close(self) -> None:
        """Stop; commands are answered elsewhere, or here at the next start."""
        await self._part.close()

    @property
    def failed(self) -> BaseException | None:
        """What ended it before `close`; None while it answers."""
        return self._part.failed

    async def ended(self) -> None:
        """Wait until a part fails; raises what failed."""
        await self._part.ended()

    def _kept(self) -> Fold:
        again = tuple(subject for each in self._all for subject in each.subjects if subject not in each.spared)
        code = code_of(*FOLDING, *(type(each.aggregate).__module__ for each in self._all))
        return Fold("answers", code, self._known, self._restore, again=again)

    def _known(self) -> bytes:
        found = {each.aggregate.name: each.known() for each in self._all}
        return msgspec.json.encode({name: state for name, state in found.items() if state is not None})

    def _restore(self, known: bytes) -> None:
        states = msgspec.json.decode(known, type=dict[str, FoldedState])
        for each in self._all:
            if each.aggregate.name in states:
                each.restore(states[each.aggregate.name])

    def _fold(self, message: Message) -> None:
        for each in self._all:
            if any(matches(subject, message.subject) for subject in each.subjects):
                each.note(message)

    async def _act(self) -> None:
        for each in self._all:
            await self._answer(each)

    async def _answer(self, folded: Folded) -> None:
        """Answer the oldest open command; what it led to is folded before the next is looked at."""
        if not folded.open:
            return
        command, asked = next(iter(folded.open.values()))
        answer, facts = folded.answer(command, asked)
        try:
            sequences = await self._tape.append_atomic(self._appends(folded, answer, facts))
        except FenceLost:
            return  # another process answered: its answer is on the way
        self._part.due = sequences[-1]
        log.info("command_answered", sequence=asked.sequence, answer=type(answer).__name__, at=sequences[0])

    def _appends(self, folded: Folded, answer: Answer, facts: tuple[Fact, ...]) -> list[Append]:
        aggregate = folded.aggregate
        first = codec.to_append(
            answer, aggregate.subject, f"answer:{answer.cause}", expected=folded.last, fence=aggregate.subject
        )
        return [
            first,
            *(
                codec.to_append(fact, aggregate.subject_of(fact), f"answer:{answer.cause}:{number}")
                for number, fact in enumerate(facts, 1)
            ),
        ]
