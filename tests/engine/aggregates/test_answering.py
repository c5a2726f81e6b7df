"""Commands to an aggregate are answered once, whoever answers, however often they are asked."""

from __future__ import annotations

from contextlib import AsyncExitStack

from engine.aggregates.aggregate import Asked, Outcome
from engine.aggregates.answering import Answering
from events import codec, subjects
from events.clock import SystemClock
from events.errors import Conflict
from events.facts import CancelOrder, Command, CommandAccepted, CommandRefused, Fact, RecordingAbandoned
from events.memory_tape import MemoryTape
from tests.fixtures.waiting import until


class Names:
    """Gives each name once. Its commands and facts are borrowed: what they are called does not matter here."""

    name = "names"
    subject = subjects.STRATEGIES
    reads = ()

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}

    def decide(self, command: Command, asked: Asked) -> Outcome:
        if command.user in self.taken:
            raise Conflict(f"{command.user} is taken.", code="NAME_TAKEN", field="name")
        return Outcome(command.user, (RecordingAbandoned(recording=command.user, reason=str(asked.at_ns)),))

    def evolve(self, fact: Fact, sequence: int, at_ns: int) -> None:
        if isinstance(fact, RecordingAbandoned):
            self.taken[fact.recording] = sequence

    def subject_of(self, fact: Fact) -> str:
        return self.subject


async def ask(tape: MemoryTape, name: str, key: str) -> int:
    """Ask for a name; the sequence of the command."""
    command = CancelOrder(key=key, user=name, session="s", order=1)
    number = (await tape.info()).last + 1
    return await tape.append(codec.to_append(command, "tape.command.names", f"command:{number}"))


async def found(tape: MemoryTape) -> list[Fact | Command]:
    """All that stands on the aggregate's subject."""
    return [codec.decode(one.body) async for one in tape.read(1, subjects=(subjects.STRATEGIES,))]


async def answered(tape: MemoryTape, cause: int) -> CommandAccepted | CommandRefused:
    """Wait for the answer to a command."""
    at: list[CommandAccepted | CommandRefused] = []

    def looked() -> bool:
        bodies = [codec.decode(each.body) for each in tape._store.messages]
        at[:] = [each for each in bodies if isinstance(each, CommandAccepted | CommandRefused) and each.cause == cause]
        return bool(at)

    await until(looked)
    return at[0]


async def test_many_processes_answer_each_command_once() -> None:
    """Three processes on one tape: every command has one answer, and what it led to stands once, behind it."""
    tape = MemoryTape()
    async with AsyncExitStack() as stack:
        for _ in range(3):
            answering = Answering(tape.share(), SystemClock(), [Names()])
            await answering.start()
            stack.push_async_callback(answering.close)
        asked = [await ask(tape, f"name-{number % 10}", f"key-{number}") for number in range(40)]
        answers = [await answered(tape, sequence) for sequence in asked]
    assert [type(one) for one in answers] == [CommandAccepted] * 10 + [CommandRefused] * 30
    assert {(one.code, one.kind, one.field) for one in answers if isinstance(one, CommandRefused)} == {
        ("NAME_TAKEN", "CONFLICT", "name")
    }
    bodies = await found(tape)
    causes = [one.cause for one in bodies if isinstance(one, CommandAccepted | CommandRefused)]
    assert causes == sorted(set(asked))
    for at, body in enumerate(bodies):
        if isinstance(body, RecordingAbandoned):
            before = bodies[at - 1]
            assert isinstance(before, CommandAccepted)
            assert before.id == body.recording


async def test_a_key_is_answered_the_same_however_late() -> None:
    """A repeat under its key gets the first answer, also from a process that started since, and changes nothing."""
    tape = MemoryTape()
    for round_ in range(2):
        answering = Answering(tape, SystemClock(), [Names()])
        await answering.start()
        first = await answered(tape, await ask(tape, "ann", "key"))
        refused = await answered(tape, await ask(tape, "ann", "other"))
        assert isinstance(first, CommandAccepted)
        assert (first.id, first.changed) == ("ann", round_ == 0)
        assert isinstance(refused, CommandRefused)
        await answering.close()
    assert len([one for one in await found(tape) if isinstance(one, RecordingAbandoned)]) == 1


async def test_decisions_know_only_the_tapes_clock() -> None:
    """What a decision takes for the time is when its command was appended: every process decides the same."""
    tape = MemoryTape()
    answering = Answering(tape, SystemClock(), [Names()])
    await answering.start()
    sequence = await ask(tape, "ann", "key")
    await answered(tape, sequence)
    await answering.close()
    message = await tape.get(sequence)
    assert message is not None
    fact = next(one for one in await found(tape) if isinstance(one, RecordingAbandoned))
    assert fact.reason == str(message.appended_ns)


async def test_what_ended_the_answering_is_known() -> None:
    """A process that answers commands and cannot any more says why, so that its sign of life can."""

    class Broken(Names):
        def decide(self, command: Command, asked: Asked) -> Outcome:
            raise ZeroDivisionError("a bug")

    tape = MemoryTape()
    answering = Answering(tape, SystemClock(), [Broken()])
    await answering.start()
    assert answering.failed is None
    await ask(tape, "ann", "key")
    await until(lambda: answering.failed is not None)
    assert isinstance(answering.failed, ZeroDivisionError)
    await answering.close()
