"""What an aggregate is: it decides commands and folds its own facts, and knows no tape, clock or network.

One file per aggregate holds its commands' decisions and the fold of its facts; `Folded` keeps what every aggregate
needs around that, and `answering` appends what was decided.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from engine.answers import Answer, Answers, accepted, refused
from events import codec
from events.errors import Bug, Conflict, InvalidInput, LimitReached, NotAvailable, TapedeckError, Unknown
from events.facts import Command, CommandAccepted, CommandRefused, Fact
from events.tape import Message

KEYS_MAX = 10_000  # answers by idempotency key that an aggregate remembers
# what a command may be refused for; any other error is our bug and stops the process that met it
REFUSALS = (InvalidInput, Unknown, Conflict, LimitReached, NotAvailable)


class Asked(NamedTuple):
    """Where and when a command stands on the tape: the only clock that a decision knows."""

    sequence: int
    at_ns: int


class Outcome(NamedTuple):
    """What an accepted command leads to. No facts: everything was so already."""

    id: str = ""  # of what was made or changed
    facts: tuple[Fact, ...] = ()


class Aggregate(Protocol):
    """Decides commands of one subject."""

    name: str  # commands to it stand on `tape.command.<name>`
    subject: str  # its answers and facts, one fence over all of them
    reads: tuple[str, ...]  # further subjects whose facts it folds

    def decide(self, command: Command, asked: Asked) -> Outcome:
        """What follows from a command. Pure.

        Raises:
            InvalidInput, Unknown, Conflict, LimitReached, NotAvailable: it is refused for this reason.
        """
        ...

    def evolve(self, fact: Fact, sequence: int, at_ns: int) -> None:
        """One more fact, appended at `at_ns`; those of other aggregates change nothing. Never fails."""
        ...

    def subject_of(self, fact: Fact) -> str:
        """Where a fact of an outcome belongs: mostly `subject`."""
        ...


@runtime_checkable
class Remembered(Protocol):
    """An aggregate that folds so much that its state is kept beside the tape."""

    spared: tuple[str, ...]  # subjects whose messages need not be folded again; all of its own, or none of them

    def known(self) -> bytes:
        """What it knows of `spared`, as JSON."""
        ...

    def restore(self, known: bytes) -> None:
        """Know this."""
        ...


class FoldedState(msgspec.Struct, frozen=True):
    """What is kept of a `Folded`: of one whose own subject is folded again only what its aggregate gives."""

    aggregate: msgspec.Raw
    open: tuple[tuple[int, int, msgspec.Raw], ...] = ()  # sequence, time, command
    answers: tuple[Answer, ...] = ()
    last: int = 0


class Folded:
    """An aggregate as folded from the tape: its state, its open commands, its answers by key, its last sequence."""

    def __init__(self, aggregate: Aggregate, keys_max: int = KEYS_MAX) -> None:
        self.aggregate = aggregate
        self.open: OrderedDict[int, tuple[Command, Asked]] = OrderedDict()  # unanswered, by sequence
        self._answers = Answers(keys_max)
        self.last = 0  # last sequence on its own subject

    @property
    def subjects(self) -> tuple[str, ...]:
        """All that it folds."""
        return (f"tape.command.{self.aggregate.name}", self.aggregate.subject, *self.aggregate.reads)

    @property
    def spared(self) -> tuple[str, ...]:
        """Subjects that are not folded again where its state was kept."""
        return self.aggregate.spared if isinstance(self.aggregate, Remembered) else ()

    def known(self) -> FoldedState | None:
        """What is kept of it; None where all is folded again."""
        if not isinstance(self.aggregate, Remembered):
            return None
        state = FoldedState(msgspec.Raw(self.aggregate.known()))
        if self.aggregate.subject not in self.spared:
            return state
        commands = ((at, asked.at_ns, msgspec.Raw(codec.encode(one))) for at, (one, asked) in self.open.items())
        return msgspec.structs.replace(state, open=tuple(commands), answers=self._answers.known(), last=self.last)

    def restore(self, state: FoldedState) -> None:
        """Be as one of which this was kept."""
        assert isinstance(self.aggregate, Remembered), "of another nothing is kept"
        self.aggregate.restore(bytes(state.aggregate))
        for at, at_ns, body in state.open:
            command = codec.decode(bytes(body), at)
            assert isinstance(command, Command), "only commands wait"
            self.open[at] = (command, Asked(at, at_ns))
        self._answers.note(state.answers)
        self.last = state.last

    def note(self, message: Message) -> None:
        """One more message of `subjects`, in the tape's order."""
        body = codec.decode(message.body, message.sequence)
        if message.subject == self.aggregate.subject:
            self.last = message.sequence
        if isinstance(body, Command):
            self.open[message.sequence] = (body, Asked(message.sequence, message.appended_ns))
        elif isinstance(body, CommandAccepted | CommandRefused):
            self._note_answer(body)
        else:
            self.aggregate.evolve(body, message.sequence, message.appended_ns)

    def _note_answer(self, answer: Answer) -> None:
        if self.open.pop(answer.cause, None) is not None:
            self._answers.note((answer,))

    def answer(self, command: Command, asked: Asked) -> tuple[Answer, tuple[Fact, ...]]:
        """The one answer to a command and what follows from it; the same answer again under a key that is known."""
        if (again := self._answers.again(command, asked.sequence)) is not None:
            return again, ()
        try:
            outcome = self.aggregate.decide(command, asked)
        except REFUSALS as error:
            return _refused(command, asked, error), ()
        except TapedeckError as error:
            raise Bug(f"{self.aggregate.name} could not decide command {asked.sequence}: {error}") from error
        answer = accepted(command, asked.sequence, changed=bool(outcome.facts))
        return msgspec.structs.replace(answer, id=outcome.id), outcome.facts


def _refused(command: Command, asked: Asked, error: TapedeckError) -> CommandRefused:
    kind = next(each.code for each in type(error).__mro__ if each in REFUSALS)
    return refused(command, asked.sequence, "", (error.code, str(error), error.field), kind)
