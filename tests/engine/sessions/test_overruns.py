"""Steps that take too long: what the watchdog counts, what its note becomes, and which session is failed."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import msgspec
import pytest

from engine.sessions import overruns
from engine.sessions.life import Session, SessionState, begin, evolve
from engine.sessions.plan import SessionWish, StrategyWish
from engine.sessions.watchdog import Note, Step, Watchdog
from events import codec, subjects
from events.clock import ManualClock, SystemClock
from events.facts import Place, SessionClaimed, SessionStarted, StepOverran
from tests.engine.sessions.memory_house import MemoryHouse, walk
from tests.projections.streams import spec

SPEC = spec("s1")
STEP = Step("s1", False, "one", 1, 10, 20, Place(3, 4))
WAIT_SECONDS_MAX = 10.0


def watched(folder: Path, clock: ManualClock | SystemClock, seconds: float) -> tuple[Watchdog, threading.Event]:
    """A watchdog, and whether it ended the process."""
    ended = threading.Event()
    return Watchdog(folder, "e", seconds, clock, ended.set), ended


def test_a_step_that_takes_too_long_leaves_a_note(tmp_path: Path) -> None:
    """The note says which inputs were read; a step that ended in time leaves none."""
    watchdog, ended = watched(tmp_path, SystemClock(), 0.05)
    with watchdog.step(msgspec.structs.replace(STEP, session="quick")):
        pass
    with watchdog.step(STEP):
        assert ended.wait(WAIT_SECONDS_MAX)
    (path,) = tmp_path.glob("*")
    assert msgspec.json.decode(path.read_bytes(), type=Note) == Note("e", STEP, 0.05)


def test_a_step_ends_its_process_where_its_note_cannot_be_written(tmp_path: Path) -> None:
    """A disk that takes no note is no reason to wait for a kernel that never returns."""
    folder = tmp_path / "overruns"
    folder.write_text("a file where the folder of notes should be")
    watchdog, ended = watched(folder, SystemClock(), 0.05)
    with watchdog.step(STEP):
        assert ended.wait(WAIT_SECONDS_MAX)


def test_a_process_that_stood_still_is_not_late(tmp_path: Path) -> None:
    """An hour in which the whole process was stopped counts as a moment."""
    clock = ManualClock()
    watchdog, ended = watched(tmp_path, clock, 1.0)
    with watchdog.step(STEP):
        clock.advance(3_600)
        assert not ended.wait(0.3)


def session_with(*ranges: tuple[int, int]) -> Session:
    """A running session with steps that overran, one a claim."""
    house = begin(SessionStarted(spec=SPEC), 1)
    for epoch, (first, last) in enumerate(ranges, 1):
        house = evolve(house, SessionClaimed(session="s1", engine="one", epoch=epoch), 2 * epoch)
        assert house.engine == "one"
        fact = StepOverran(
            session="s1", engine="one", epoch=epoch, first_input=first, last_input=last, at=Place(), seconds=1.0
        )
        house = evolve(house, fact, 2 * epoch + 1)
        assert (house.state, house.engine) == (SessionState.RUNNING, "")
    return house


@pytest.mark.parametrize(
    ("ranges", "poison"),
    [
        ([], None),
        ([(0, 100)], None),
        ([(0, 100), (57, 58)], 57),
        ([(0, 100), (0, 100)], 0),
        ([(0, 100), (100, 101)], None),
        ([(57, 58), (0, 100)], None),
        ([(57, 58), (200, 300), (57, 58)], 57),
    ],
)
def test_twice_at_one_position_is_poison(ranges: list[tuple[int, int]], poison: int | None) -> None:
    """Only a second step within the inputs of an earlier one says that it is these inputs."""
    found = session_with(*ranges).poison
    assert (found.first_input if found else None) == poison


async def test_a_note_becomes_one_fact(tmp_path: Path) -> None:
    """Told by any number of processes, the fact stands once; the session is then claimed again and decides the same."""
    house = MemoryHouse(tmp_path)
    await house.start()
    imported = await house.record(walk(3_000))
    wish = SessionWish(
        mode="paper",
        recording=imported.recording.id,
        strategies=(StrategyWish(strategy="ema_cross"),),
        acceleration=100.0,
    )
    notes = tmp_path / "notes"
    notes.mkdir()
    async with house.host():
        started = await house.start_session(wish)
        epoch = (await house.tape.info()).epoch
        step = Step(started.session, False, "another", 1, 40, 90, Place(3, 40))
        for name in ("a", "b"):
            (notes / f"{name}.json").write_bytes(msgspec.json.encode(Note(epoch, step, 1.0)))
        (notes / "c.json").write_bytes(msgspec.json.encode(Note("another tape", step, 1.0)))
        (notes / "d.json").write_bytes(b"torn")
        await asyncio.gather(*(overruns.tell(house.tape, notes) for _ in range(3)))
        history = await house.ended(started.session)
    assert history.ended is not None
    assert history.ended.inputs == 3_000
    assert not list(notes.glob("*"))
    told = [
        codec.decode(message.body)
        async for message in house.tape.read(subjects=(subjects.session_fact(started.session),))
    ]
    assert sum(isinstance(fact, StepOverran) for fact in told) == 1
    (notes / "e.json").write_bytes(msgspec.json.encode(Note(epoch, msgspec.structs.replace(step, epoch=9), 1.0)))
    last = (await house.tape.info()).last
    await overruns.tell(house.tape, notes)
    assert (await house.tape.info()).last == last, "nothing follows the end of a session"
