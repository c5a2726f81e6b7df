"""The runner applies the tape in order, once, and says where it is; what it cannot apply stops it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from events import subjects
from events.errors import ReadModelUnavailable, TapeForeign, TapeShorter, Undecodable
from events.facts import CommandAccepted, Place, SessionClaimed, SessionEnded
from events.memory_tape import MemoryTape
from events.rows import SectionKind
from events.tape import Append, Message
from projections import runner as runner_module
from projections.batch import Batch, Checkpoint, Decoded, Event, TapeGap, check_follows, decode
from projections.duckdb.read_model import DuckReadModel
from projections.projection import Projection
from projections.queue import MessageQueue
from projections.read_models.sessions import session
from projections.runner import ProjectionRunner, RunnerSettings, RunnerStatus
from tests.projections.applying import apply_all, messages_of, opened
from tests.projections.random_tapes import Trader, random_script
from tests.projections.streams import Script, rows_of, ticks

QUICK = RunnerSettings(linger_seconds=0.0, refresh_seconds=0.02, poll_seconds=0.005, retry_pause_seconds=0.001)


class Noted:
    """A projection into a list, which can be told to fail."""

    def __init__(self, name: str = "noted", patterns: tuple[str, ...] = (subjects.SESSIONS,)) -> None:
        self.name = name
        self.subjects, self.left_out = patterns, 0
        self.events: list[Event] = []
        self.sizes: list[int] = []
        self.visible = 0
        self.failures: list[Exception] = []
        self._checkpoint = Checkpoint()

    def checkpoint(self) -> Checkpoint:
        return self._checkpoint

    def begin(self, epoch: str) -> None:
        self._checkpoint = Checkpoint(epoch)

    def apply(self, batch: Batch) -> None:
        check_follows(self.name, self._checkpoint.sequence, batch)
        if self.failures:
            raise self.failures.pop(0)
        self.events.extend(batch.events)
        self.sizes.append(len(batch.events))
        self._checkpoint = batch.checkpoint

    def seen(self, sequence: int) -> None:
        self.visible = sequence

    def reset(self) -> None:
        self.events.clear()
        self._checkpoint = Checkpoint()

    def sequences(self) -> list[int]:
        return [event.sequence for event in self.events]


@asynccontextmanager
async def running(
    script: Script, *projections: Projection, settings: RunnerSettings = QUICK
) -> AsyncIterator[ProjectionRunner]:
    """A runner that is closed at the end. It waits in real time; the tape's clock stands."""
    one = ProjectionRunner(script.tape, projections, settings)
    await one.start()
    try:
        yield one
    finally:
        await one.close()


async def halted(runner: ProjectionRunner) -> RunnerStatus:
    """Its status once something halted it."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(runner.ended(), 5)
    assert runner.status().state == "halted"
    return runner.status()


async def some_sessions(count: int = 3, epoch: str = "e1") -> Script:
    """A tape of started sessions."""
    script = Script(epoch)
    for number in range(count):
        await script.start(f"s{number}")
    return script


async def test_applies_what_is_there_and_what_comes() -> None:
    """Events from before the start and after it arrive once each, in order."""
    script, noted = await some_sessions(), Noted()
    async with running(script, noted) as runner:
        assert await runner.wait_until(3, 5) == 3
        await script.start("late")
        await runner.wait_until(4, 5)
        assert noted.sequences() == [1, 2, 3, 4]
        assert runner.ready
        status = runner.status()
        assert (status.state, status.checkpoints, status.lag, status.events) == ("ready", {"noted": 4}, 0, 4)


async def test_goes_on_behind_the_checkpoint() -> None:
    """A second start applies nothing twice."""
    script, noted = await some_sessions(), Noted()
    async with running(script, noted) as runner:
        await runner.wait_until(3, 5)
    await script.start("between")
    async with running(script, noted) as runner:
        await runner.wait_until(4, 5)
    assert noted.sequences() == [1, 2, 3, 4]
    assert runner.status().state == "stopped"


async def test_visible_moves_over_events_of_others() -> None:
    """What you wrote is visible also when no read model keeps it."""
    script, noted = await some_sessions(), Noted()
    async with running(script, noted) as runner:
        answered = await script.fact(CommandAccepted(key="k", cause=1), subjects.DESK)
        assert await runner.wait_until(answered, 5) == answered
        assert noted.visible == answered
        assert noted.checkpoint().sequence == 3


async def test_projections_of_one_tail_share_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message is decoded once, each projection gets its subjects, each at its own checkpoint."""
    script = await some_sessions()
    await script.market("sim", ticks(4))
    sessions, everything = Noted("sessions"), Noted("all", (subjects.SESSIONS, subjects.MARKET))
    async with running(script, sessions) as runner:
        await runner.wait_until(4, 5)
    decoded: list[int] = []

    def counting(messages: list[Message]) -> Decoded:
        decoded.extend(message.sequence for message in messages)
        return decode(messages)

    monkeypatch.setattr(runner_module, "decode", counting)
    async with running(script, sessions, everything) as runner:
        await runner.wait_until(4, 5)
        assert runner.status().checkpoints == {"sessions": 3, "all": 4}
    assert sessions.sequences() == [1, 2, 3]
    assert everything.sequences() == [1, 2, 3, 4]
    assert decoded == [1, 2, 3, 4]


async def test_halts_at_an_event_it_cannot_read() -> None:
    """The events before it are applied, it is named, and nothing behind it is."""
    script, noted = await some_sessions(), Noted()
    bad = await script.tape.append(Append("tape.session.s1.fact", b'{"type":"SessionVanished"}', "bad"))
    await script.start("behind")
    async with running(script, noted) as runner:
        with pytest.raises(ReadModelUnavailable) as error:
            await runner.wait_until(5, 5)
        assert error.value.code == "READ_MODEL_HALTED"
        assert "SessionVanished" in str(error.value)
        status = runner.status()
        assert (status.state, status.halted_at, status.error_code) == ("halted", bad, "UNDECODABLE")
        assert noted.sequences() == [1, 2, 3]
        with pytest.raises(Undecodable):
            await runner.ended()


async def test_halts_at_a_frame_with_a_wrong_length() -> None:
    """A market frame whose rows do not fit is an event that cannot be read."""
    script, noted = Script(), Noted("market", (subjects.MARKET,))
    await script.market("sim", ticks(2))
    (good,) = [message async for message in script.tape.read()]
    await script.tape.append(Append(subjects.market("sim"), good.body[:-1], "cut"))
    async with running(script, noted) as runner:
        status = await halted(runner)
        assert (status.halted_at, noted.sequences()) == (2, [1])


async def test_refuses_another_tape() -> None:
    """A read model of one tape is not continued with another."""
    noted = Noted()
    async with running(await some_sessions(), noted) as runner:
        await runner.wait_until(3, 5)
    with pytest.raises(TapeForeign) as error:
        await ProjectionRunner((await some_sessions(epoch="e2")).tape, [noted], QUICK).start()
    assert "rebuild" in str(error.value)


async def test_refuses_a_tape_that_lost_its_end() -> None:
    """Shorter than what was applied, or as long again with other events: refused with the sequence."""
    script, noted = await some_sessions(), Noted()
    async with running(script, noted) as runner:
        await runner.wait_until(3, 5)
    shorter = MemoryTape(clock=script.clock, epoch=noted.checkpoint().epoch)
    async for message in script.tape.read(end=2):
        await shorter.append(Append(message.subject, message.body, f"m{message.sequence}"))
    with pytest.raises(TapeShorter) as error:
        await ProjectionRunner(shorter, [noted], QUICK).start()
    assert error.value.sequence == 2
    await shorter.append(Append("tape.session.other.fact", b"{}", "other"))
    with pytest.raises(TapeShorter, match="grown anew"):
        await ProjectionRunner(shorter, [noted], QUICK).start()


async def test_halts_when_the_tape_goes_backwards_under_it() -> None:
    """A tape that is replaced while it is read stops the read model."""
    script, noted = await some_sessions(), Noted()
    async with running(script, noted) as runner:
        await runner.wait_until(3, 5)
        script.tape._store.messages.pop()
        status = await halted(runner)
        assert status.error_code == "TAPE_SHORTER"


async def test_a_store_that_does_not_answer_is_tried_again() -> None:
    """The same batch is applied when the store is back, once."""
    script, noted = await some_sessions(), Noted()
    noted.failures = [ReadModelUnavailable("down"), ReadModelUnavailable("still down")]
    async with running(script, noted) as runner:
        await runner.wait_until(3, 5)
        assert (noted.sequences(), runner.status().retries) == ([1, 2, 3], 2)


async def test_a_store_that_stays_away_halts_it() -> None:
    """`retry_seconds_max` bounds the tries."""
    script, noted = await some_sessions(), Noted()
    noted.failures = [ReadModelUnavailable("down") for _ in range(1000)]
    settings = RunnerSettings(linger_seconds=0.0, retry_pause_seconds=0.005, retry_seconds_max=0.02)
    async with running(script, noted, settings=settings) as runner:
        status = await halted(runner)
        assert 1 <= status.retries < 20
        assert status.error == "down"


async def test_a_bug_halts_it_at_once() -> None:
    """What nobody foresaw is not tried again."""
    script, noted = await some_sessions(), Noted()
    noted.failures = [ZeroDivisionError("seven")]
    async with running(script, noted) as runner:
        status = await halted(runner)
        assert (status.error_code, noted.sequences()) == ("ZeroDivisionError", [])


async def test_waiting_is_bounded() -> None:
    """A sequence that does not come is an error that names where the reads are."""
    script, noted = await some_sessions(), Noted()
    async with running(script, noted) as runner:
        with pytest.raises(ReadModelUnavailable, match="shows sequence 3; 9 did not come"):
            await runner.wait_until(9, 0.05)


async def test_batches_are_bounded() -> None:
    """No batch has more messages than `batch_messages_max`, however many wait."""
    script, noted = await some_sessions(23), Noted()
    settings = RunnerSettings(batch_messages_max=5, queue_messages_max=5, linger_seconds=0.0, poll_seconds=0.005)
    async with running(script, noted, settings=settings) as runner:
        await runner.wait_until(23, 5)
    assert max(noted.sizes) <= 5
    assert noted.sequences() == list(range(1, 24))


async def test_missing_events_of_a_session_halt_it(tmp_path: Path) -> None:
    """A decision whose rows do not follow the last ones is a gap, and is named."""
    script = Script()
    await script.start("s1")
    mark = {SectionKind.MARK: rows_of(SectionKind.MARK, equity=1.0)}
    await script.decide("s1", mark)
    script._ordinals["s1", SectionKind.MARK] += 1
    await script.decide("s1", mark)
    model = opened(tmp_path / "a.duckdb")
    async with running(script, model) as runner:
        status = await halted(runner)
        assert (status.halted_at, status.error_code) == (3, "TAPE_GAP")
    model.close()


async def test_a_decision_of_no_session_halts_it(tmp_path: Path) -> None:
    """Facts of a session whose start is missing are a gap."""
    script = Script()
    script.research["s1"] = False
    await script.of_session("s1", SessionClaimed(session="s1", engine="e", epoch=1))
    model = opened(tmp_path / "a.duckdb")
    async with running(script, model) as runner:
        status = await halted(runner)
        assert "s1" in status.error
    model.close()


def test_a_batch_that_does_not_follow_is_refused() -> None:
    """A projection checks what it is given, whoever gives it."""
    with pytest.raises(TapeGap):
        check_follows("x", 4, Batch(3, [], Checkpoint("e", 3)))
    event = Event(4, "tape.desk", 0, ())
    with pytest.raises(TapeGap):
        check_follows("x", 4, Batch(4, [event], Checkpoint("e", 4)))
    with pytest.raises(TapeGap):
        check_follows("x", 3, Batch(3, [event], Checkpoint("e", 5)))


async def test_rebuilding_gives_the_same_content(tmp_path: Path) -> None:
    """Thrown away and replayed, twice, in other batches: the same hash; progress is told."""
    script = await random_script(seed=5, steps=120)
    last = (await script.tape.info()).last
    model = opened(tmp_path / "a.duckdb")
    hashes, progress = [], []
    for size in (7, 1000):
        settings = RunnerSettings(batch_messages_max=size, linger_seconds=0.0, poll_seconds=0.005)
        async with running(script, model, settings=settings) as runner:
            await runner.wait_until(last, 20)
            hashes.append(model.store.content_hash())
            await runner.rebuild(lambda visible, of: progress.append((visible, of)))
            hashes.append(model.store.content_hash())
    model.close()
    assert len(set(hashes)) == 1
    assert progress[-1] == (last, last)
    assert len(progress) > 2


async def test_appending_while_it_runs_is_applied_live(tmp_path: Path) -> None:
    """Read your writes: after waiting for a decision, its rows are there."""
    script = Script()
    model = opened(tmp_path / "a.duckdb")
    async with running(script, model) as runner:
        await script.start("s1")
        trader = Trader(3)
        for _ in range(10):
            sequence = await script.decide("s1", trader.step())
            await runner.wait_until(sequence, 5)
            with model.store.read() as snapshot:
                made = snapshot.count(f"SELECT count(*) FROM equity WHERE sequence = {sequence}")
            assert made == 1
    model.close()


async def test_the_queue_keeps_its_bounds() -> None:
    """A full queue makes the tail wait, in messages and in bytes; a closed one lets it go."""
    queue = MessageQueue(messages_max=2, bytes_max=10)
    messages = [Message(number, "tape.desk", {}, b"12345678", 0) for number in range(1, 5)]
    for message in messages[:2]:
        await queue.put(message)
    blocked = asyncio.create_task(_finishes(queue.put(messages[2])))
    await asyncio.sleep(0)
    assert not blocked.done()
    assert [one.sequence for one in await queue.take(5, 8, 0.0)] == [1]
    assert [one.sequence for one in await queue.take(5, 8, 0.0)] == [2]
    assert await blocked
    await queue.close()
    await queue.put(messages[3])
    assert await queue.take(5, 8, 0.0) == []


async def _finishes(work: Awaitable[None]) -> bool:
    await work
    return True


async def test_a_lone_event_waits_for_company() -> None:
    """Events within `linger_seconds` are one batch."""
    queue = MessageQueue(messages_max=10, bytes_max=1000)
    taking = asyncio.create_task(queue.take(3, 1000, 5.0))
    for number in (1, 2, 3):
        await queue.put(Message(number, "tape.desk", {}, b"x", 0))
        await asyncio.sleep(0)
    assert [one.sequence for one in await taking] == [1, 2, 3]


def test_the_read_model_is_a_projection(tmp_path: Path) -> None:
    """The protocol is what the runner needs."""
    model: Projection = DuckReadModel(tmp_path / "a.duckdb")
    assert model.name == "read_model"


async def test_nothing_follows_in_a_session_that_is_over(tmp_path: Path) -> None:
    """A decision behind the end is no decision; a fact of its life changes nothing, in whatever batch it comes."""
    hashes = set()
    for sizes in ([1], [50]):
        script = await some_sessions(1)
        ended = SessionEnded(
            session="s0", reason="stopped", inputs=1, place=Place(), decision_hash="", counts={}, equity=1.0
        )
        await script.of_session("s0", ended)
        await script.of_session("s0", SessionClaimed(session="s0", engine="late", epoch=9))
        model = opened(tmp_path / f"{sizes[0]}.duckdb")
        model.begin("e1")
        apply_all(model, await messages_of(script.tape, model.subjects), sizes)
        with model.store.read() as snapshot:
            row = session(snapshot, "s0")
        assert (row.state, row.engine, row.reason) == ("stopped", "", "stopped")
        hashes.add(model.store.content_hash())
        await script.decide("s0", Trader(1).step())
        with pytest.raises(TapeGap, match="is over"):
            apply_all(model, await messages_of(script.tape, model.subjects))
        model.close()
    assert len(hashes) == 1
