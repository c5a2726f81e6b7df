"""Work beside the requests goes on: what nobody foresaw ends neither a tail nor a task without a word."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from structlog.testing import capture_logs

from api import lasting
from api.lasting import forgiving
from api.processes import signs
from api.processes.signs import State, all_signs, shown
from api.services import auditing
from api.services.auditing import Auditing
from api.streams import wording
from api.streams.broadcast import Broadcast
from events import codec, subjects
from events.clock import ManualClock, SystemClock
from events.errors import Unknown
from events.facts.audit import ActionAudited
from events.facts.house import SystemModeSet
from events.memory_keys import MemoryKeys
from events.memory_tape import MemoryTape
from events.rows import SectionKind
from events.tape import Message
from tests.fixtures.waiting import until
from tests.projections.streams import Script, rows_of

MODE = SystemModeSet(mode="paper", user="ann", command=1)


async def test_a_fact_that_cannot_be_worded_is_left_out() -> None:
    """A signal of a lane that its session has not is named in the log, and what comes behind it is told as ever."""
    script = Script()
    broadcast = Broadcast(script.tape, {}, clients_max=1, queue_max=8)
    await broadcast.start()
    listener = broadcast.join()
    with capture_logs() as logs:
        await script.start("s", lanes=1)
        signals = rows_of(SectionKind.SIGNAL, lane=7)
        wrong = await script.decide("s", {SectionKind.SIGNAL: signals})
        await script.fact(MODE, subjects.HOUSE)
        told = [msgspec.json.decode(await asyncio.wait_for(listener.next(), 5) or b"")["type"] for _ in range(2)]
    assert told == ["session_started", "system_status"]
    (line,) = [one for one in logs if one["event"] == "message_left_out"]
    assert (line["name"], line["fact"], line["sequence"], line["kind"]) == ("broadcast", "frame", wrong, "IndexError")
    assert broadcast.tail is not None
    assert broadcast.tail.failed is None
    await broadcast.close()


async def test_the_stream_of_events_outlives_one_that_cannot_be_worded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such an event is told as one of type `undecodable`, so nobody's stream ends at it again and again."""
    script = Script()
    message = await script.tape.get(await script.start("s"))
    assert message is not None

    def read(message: Message) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(wording, "_read", read)
    assert b'"type":"undecodable"' in wording.word(message).data


async def test_a_callback_leaves_out_what_it_cannot_take() -> None:
    """Whatever it raises; the fact is named, and who has to know is told."""
    tape, taken, missed = MemoryTape(), [], []

    async def take(message: Message) -> None:
        taken.append(message.sequence)
        raise Unknown("there is none") if len(taken) == 1 else KeyError("a bug")

    tail = await tape.tail(1, forgiving("test", take, lambda: missed.append(1)))
    with capture_logs() as logs:
        for number in range(2):
            await tape.append(codec.to_append(MODE, subjects.HOUSE, f"m{number}"))
        await until(lambda: len(missed) == 2)
    assert [(one["fact"], one["log_level"]) for one in logs] == [
        ("SystemModeSet", "warning"),
        ("SystemModeSet", "error"),
    ]
    assert tail.failed is None
    await tail.close()


async def test_a_tail_that_ends_says_so_in_the_log() -> None:
    """What folds does not go on over a hole: its tail ends, and the log says at which message and why."""
    tape = MemoryTape()

    async def take(message: Message) -> None:
        raise KeyError("a bug")

    with capture_logs() as logs:
        tail = await tape.tail(1, take)
        await tape.append(codec.to_append(MODE, subjects.HOUSE, "m"))
        with pytest.raises(KeyError):
            await tail.ended()
    assert [(one["event"], one["sequence"], one["kind"]) for one in logs] == [("tail_failed", 1, "KeyError")]


async def test_work_that_breaks_off_is_begun_again() -> None:
    """After a pause, until it ends by itself."""
    begun: list[int] = []

    async def work() -> None:
        begun.append(1)
        if len(begun) < 3:
            raise ValueError("a bug")

    with capture_logs() as logs:
        await lasting.lasting("test", work, pause_seconds=0.0)
    assert len(begun) == 3
    assert [(one["event"], one["name"]) for one in logs] == [("work_broke_off", "test")] * 2


async def test_a_process_that_cannot_say_how_it_is_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sign of life goes on and says that it failed, and is well again when it can."""
    monkeypatch.setattr(signs, "SIGN_SECONDS", 0.01)
    keys, broken = MemoryKeys(), [True]

    async def ask() -> State:
        if broken:
            raise KeyError("a bug")
        return State()

    seen: list[tuple[str, str]] = []

    async def watch(wanted: str) -> None:
        async with asyncio.timeout(5):
            while not seen or seen[-1][0] != wanted:
                seen.extend((one.state.status, one.state.detail) for one in await all_signs(keys))
                await asyncio.sleep(0.01)

    async with shown(keys, SystemClock(), "worker", "worker-0", ask):
        await watch("failed")
        assert seen[-1] == ("failed", "KeyError: 'a bug'")
        broken.clear()
        await watch("ok")


async def test_one_audit_that_cannot_be_written_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted with what was left out, and what follows is written."""
    monkeypatch.setattr(auditing, "GATHER_SECONDS", 0.01)
    tape = MemoryTape()
    audits = Auditing(tape, ManualClock(), 10)
    await audits.start()
    audits.note("login", "\ud800", "POST /api/auth/login", "10.0.0.1", 200)  # no text that JSON can hold
    audits.note("login", "ann", "POST /api/auth/login", "10.0.0.1", 200)

    async def written() -> list[ActionAudited]:
        facts = [codec.decode(one.body) async for one in tape.read(1, subjects=(subjects.AUDIT,))]
        return [one for one in facts if isinstance(one, ActionAudited)]

    found: list[ActionAudited] = []
    async with asyncio.timeout(5):
        while not found:
            await asyncio.sleep(0.01)
            found = await written()
    assert [(one.user, one.left_out) for one in found] == [("ann", 1)]
    await audits.close()
