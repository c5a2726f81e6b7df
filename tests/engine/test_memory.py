"""A start goes on from what is remembered of the tape, and is exactly where folding all of it leads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine import memory
from engine.aggregates.answering import Answering
from engine.aggregates.instruments import Instruments
from engine.aggregates.jobs import Jobs
from engine.answers import Answers
from engine.jobs.backtest import BacktestBody
from engine.jobs.kinds import KINDS
from engine.jobs.life import JobState
from engine.jobs.runner import FOLDED as RUNNER_FOLDED
from engine.jobs.runner import JobRunner, JobSettings
from engine.jobs.sessions import JobSessions
from engine.jobs.work import Tools
from engine.memory import Fold, Kept, Memory
from engine.sessions.host import FOLDED as HOST_FOLDED
from engine.sessions.host import Host
from events import codec, subjects
from events.errors import TapeUnavailable
from events.facts import CommandAccepted, CommandRefused
from events.facts.jobs import JobQueued, StopJob
from events.memory_keys import MemoryBlobs
from events.memory_tape import MemoryTape
from events.subjects import matches
from events.tape import Message
from tests.engine.jobs.job_house import ONE_CORE, JobHouse, wish
from tests.engine.sessions.memory_house import QUICK, REGISTRY, walk

Part = tuple[Fold, Callable[[Message], None], tuple[str, ...], Callable[[], object]]


def inside(*all_of: object) -> list[dict[str, object]]:
    """Everything that these hold, so that what is added to them and forgotten here is seen."""
    found = []
    for one in all_of:
        held = {name: value for name, value in vars(one).items() if name not in ("aggregate", "queue", "catalogue")}
        found.append({name: each.known() if isinstance(each, Answers) else each for name, each in held.items()})
    return found


def parts(house: JobHouse) -> list[Part]:
    """Each part of a worker that folds jobs and their sessions: what it keeps, how it folds, and what."""

    async def run(*_: object) -> None: ...

    around = house.around(house.tape)
    sessions = JobSessions(house.tape, house.clock, 1.0)
    tools = Tools(around=around, strategies=REGISTRY, library=house.library, sessions=sessions)
    runner = JobRunner(tools, KINDS, house.keys, JobSettings(worker="w", machine="m", room=ONE_CORE))
    host = Host(house.tape, house.keys, house.clock, "e", run, QUICK)  # type: ignore[arg-type]
    aggregates = (Instruments(), jobs := Jobs(KINDS))
    answering = Answering(house.tape, house.clock, aggregates)
    of_aggregates = tuple(subject for each in answering._all for subject in each.subjects)
    return [
        (runner._kept(), runner._fold, RUNNER_FOLDED, lambda: (inside(runner.queue), sessions.running)),
        (host._kept(), host._fold, HOST_FOLDED, lambda: inside(host.desk)),
        (answering._kept(), answering._fold, of_aggregates, lambda: inside(*answering._all, *aggregates, jobs.queue)),
    ]


async def a_busy_house(folder: Path) -> JobHouse:
    """A house in which jobs were completed, stopped, refused and failed, one runs and some wait."""
    house = JobHouse(folder)
    await house.start()
    recording = (await house.record(walk(800))).recording.id
    slow = BacktestBody(wish=wish(recording, acceleration=1.0))
    async with house.worker():
        for name in ("j1", "j2"):
            await house.submit(name, BacktestBody(wish=wish(recording)), key=f"key-{name}")
            await house.until_state(name, JobState.COMPLETED)
        await house.submit("wrong", BacktestBody(wish=wish("rec_none")))
        await house.until_state("wrong", JobState.FAILED)
        await house.submit("j3", slow)
        await house.until_session("j3")
        for name in ("j4", "j5"):
            await house.submit(name, slow)
        refused = await house.answer(await house.submit("j1", slow))
        assert isinstance(refused, CommandRefused)
        await house.stop("j4")
        await house.until_state("j4", JobState.STOPPED)
    return house


async def test_a_memory_and_what_follows_is_all_there_was(tmp_path: Path) -> None:
    """Wherever a memory was made, restoring it and folding what lies behind gives the state of folding it all."""
    house = await a_busy_house(tmp_path)
    messages = [message async for message in house.tape.read(1)]
    for number, (fold, take, wanted, look) in enumerate(parts(house)):
        mine = [one for one in messages if any(matches(subject, one.subject) for subject in wanted)]
        assert len(mine) > 12
        states = [fold.state()]
        for message in mine:
            take(message)
            states.append(fold.state())
        for cut, state in enumerate(states):
            again, take_again, _, look_again = parts(house)[number]
            again.restore(state)
            assert again.state() == state, "it is what was kept"
            for message in mine[:cut]:
                if any(matches(subject, message.subject) for subject in again.again):
                    take_again(message)
            for message in mine[cut:]:
                take_again(message)
            assert again.state() == states[-1], f"{fold.name}, cut behind {cut} of {len(mine)}"
            assert look_again() == look(), "nothing is forgotten"


async def test_a_start_reads_what_lies_behind_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next worker folds a few messages instead of all, goes on with the jobs that are open, and does none twice."""
    monkeypatch.setattr(memory, "MESSAGES_MIN", 10)
    house = await a_busy_house(tmp_path)
    kept = await house.blobs.names(memory.ROOT)
    assert {name.split("/")[1] for name in kept} == {"jobs", "desk", "answers"}
    assert max(sum(name.startswith(f"{memory.ROOT}{fold}/") for name in kept) for fold in ("jobs", "desk")) <= 2
    before = [message async for message in house.tape.read(1, subjects=RUNNER_FOLDED)]
    monkeypatch.setattr(memory, "MESSAGES_MIN", 10**9)
    recalled, restore = {}, Memory._restore

    async def noted(one: Memory, kept: Kept, name: str) -> None:
        recalled[one.fold.name] = kept.sequence
        await restore(one, kept, name)

    monkeypatch.setattr(Memory, "_restore", noted)
    async with house.worker("w2") as worker:
        assert worker.runner.queue.state("j1") is JobState.COMPLETED
        again = await house.answer(await house.submit("j2", BacktestBody(wish=wish("x")), key="key-j2"))
        assert isinstance(again, CommandAccepted)
        assert not again.changed, "the first answer, under its key"
        stop = await house.answer(await house.ask(StopJob(key="late", user="ann", job="j1")))
        assert isinstance(stop, CommandAccepted), "one that is over is known"
        for name in ("j3", "j5"):
            await house.stop(name)
            await house.until_state(name, JobState.STOPPED)
    assert set(recalled) == {"jobs", "desk", "answers"}
    behind = [message for message in before if message.sequence > recalled["jobs"]]
    assert len(behind) < len(before) / 2
    facts = [fact for _, fact in await house.facts()]
    assert [one.job for one in facts if isinstance(one, JobQueued)] == ["j1", "j2", "wrong", "j3", "j4", "j5"]
    assert await ends(house) == {"j1": 1, "j2": 1, "wrong": 1, "j3": 1, "j4": 1, "j5": 1}


async def ends(house: JobHouse) -> dict[str, int]:
    """How many ends each job has."""
    found: dict[str, int] = {}
    for _, fact in await house.facts():
        if type(fact).__name__ in ("JobCompleted", "JobFailed", "JobStopped"):
            name = str(getattr(fact, "job", ""))
            found[name] = found.get(name, 0) + 1
    return found


@pytest.mark.parametrize(
    "changes",
    [{"epoch": "another"}, {"code": "another"}, {"sequence": 1_000}, {"mark": "another"}, {"sequence": 2}, None],
    ids=["epoch", "code", "beyond the end", "another message", "another place", "no memory"],
)
async def test_what_is_not_of_this_tape_and_code_is_passed_over(changes: dict[str, object] | None) -> None:
    """Then the one before is restored, and where there is none all is folded."""
    tape, blobs, restored = MemoryTape(), MemoryBlobs(), []
    for number in range(3):
        queued = JobQueued(job=f"j{number}", kind="backtest", body=msgspec.Raw(b"{}"), user="ann")
        await tape.append(codec.to_append(queued, subjects.job(f"j{number}"), f"m{number}"))
    made = Memory(tape, blobs, Fold("test", "code", lambda: b"[7]", restored.append))
    await made.keep(1, made.take())
    good = msgspec.json.decode(await blobs.get(f"{memory.ROOT}test/{1:020d}.code") or b"", type=Kept)
    bad = msgspec.json.encode(msgspec.structs.replace(good, **changes)) if changes else b"no memory"
    await blobs.put(f"{memory.ROOT}test/{3:020d}.code", bad)
    assert await made.recall() == 1
    assert restored == [b"[7]"]
    of_other_code = changes == {"code": "another"} or changes is None
    assert len(await blobs.names(memory.ROOT)) == 1 + of_other_code, "what is of another tape is removed"
    await blobs.delete(f"{memory.ROOT}test/{1:020d}.code")
    assert await made.recall() == 0


async def test_memories_of_a_longer_tape_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tape that was restored to an earlier place goes on: what was remembered of the lost end bars no new memory."""
    monkeypatch.setattr(memory, "MESSAGES_MIN", 2)
    blobs = MemoryBlobs()
    for length in (9, 4):
        tape = MemoryTape()
        for number in range(length):
            queued = JobQueued(job=f"j{number}", kind="backtest", body=msgspec.Raw(b"{}"), user="ann")
            await tape.append(codec.to_append(queued, subjects.job(f"j{number}"), f"m{number}"))
        made = Memory(tape, blobs, Fold("test", "code", lambda: b"[7]", lambda state: None))
        assert await made.recall() == 0
        for sequence in range(1, length + 1):
            await made.keep(sequence, made.take())
    assert await made.recall() == 3


async def test_a_memory_that_cannot_be_read_keeps_nobody_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one before is taken; where none can be read, all is folded."""
    monkeypatch.setattr(memory, "MESSAGES_MIN", 1)
    tape, blobs = MemoryTape(), MemoryBlobs()
    made = Memory(tape, blobs, Fold("test", "code", lambda: b"[7]", lambda state: None))
    for number in (1, 2):
        queued = JobQueued(job=f"j{number}", kind="backtest", body=msgspec.Raw(b"{}"), user="ann")
        await tape.append(codec.to_append(queued, subjects.job(f"j{number}"), f"m{number}"))
        await made.keep(number, made.take())
    get, lost = blobs.get, {f"{memory.ROOT}test/{2:020d}.code"}

    async def damaged(name: str) -> bytes | None:
        if name in lost:
            raise TapeUnavailable(f"Blob {name} cannot be read.")
        return await get(name)

    monkeypatch.setattr(blobs, "get", damaged)
    assert await made.recall() == 1
    lost.add(f"{memory.ROOT}test/{1:020d}.code")
    assert await made.recall() == 0


async def test_who_keeps_a_memory_reads_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """How much another kept, and under which code, is known by its name: megabytes are not read back for it."""
    monkeypatch.setattr(memory, "MESSAGES_MIN", 3)
    tape, blobs, read = MemoryTape(), MemoryBlobs(), []
    for number in range(9):
        queued = JobQueued(job=f"j{number}", kind="backtest", body=msgspec.Raw(b"{}"), user="ann")
        await tape.append(codec.to_append(queued, subjects.job(f"j{number}"), f"m{number}"))

    async def get(name: str) -> bytes | None:
        read.append(name)
        return None

    monkeypatch.setattr(blobs, "get", get)
    mine, other = (Memory(tape, blobs, Fold("test", code, lambda: b"[7]", lambda state: None)) for code in "ab")
    for made, sequence in ((mine, 1), (mine, 3), (mine, 4), (other, 4), (other, 5), (mine, 6)):
        await made.keep(sequence, made.take())
    names = await blobs.names(memory.ROOT)
    assert names == [f"{memory.ROOT}test/{5:020d}.b", f"{memory.ROOT}test/{6:020d}.a"]
    assert read == []


async def test_a_state_that_is_ahead_of_what_was_folded_is_not_kept_yet() -> None:
    """What a process appended itself it knows before it has folded it: until then its state is of no one sequence."""
    made = Memory(MemoryTape(), MemoryBlobs(), Fold("test", "code", lambda: b"[7]", lambda state: None, lambda: 5))
    assert not made.is_as_of(4)
    assert made.is_as_of(5)


async def test_a_memory_that_cannot_be_restored_is_forgotten() -> None:
    """Half restored is nothing to go on with: the start fails, and the next does without it."""
    tape, blobs = MemoryTape(), MemoryBlobs()

    def restore(state: bytes) -> None:
        raise KeyError("a bug")

    queued = JobQueued(job="j", kind="backtest", body=msgspec.Raw(b"{}"), user="ann")
    await tape.append(codec.to_append(queued, subjects.job("j"), "m"))
    made = Memory(tape, blobs, Fold("test", "code", lambda: b"[7]", restore))
    await made.keep(1, made.take())
    with pytest.raises(KeyError):
        await made.recall()
    assert await made.recall() == 0


def test_other_code_has_another_name() -> None:
    """The hash of what folds moves with any of its files."""
    assert memory.code_of("engine.jobs.queue") == memory.code_of("engine.jobs.queue")
    assert memory.code_of("engine.jobs.queue") != memory.code_of("engine.jobs.life")
