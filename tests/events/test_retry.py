"""Appending exactly once while answers, questions and readings are lost."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from nats.aio.msg import Msg

from events.clock import ManualClock
from events.errors import FenceLost, OutcomeUnknown, TapeUnavailable
from events.faults import FaultRates, Faults
from events.jetstream.link import Link
from events.jetstream.server import NatsServer
from events.jetstream.streams import StreamSettings
from events.jetstream.tape import JetStreamTape
from events.memory_tape import MemoryTape
from events.retry import NoAnswer
from events.tape import MESSAGE_ID, Append, Limits, Tape
from tests.fixtures.nats import OWNER, fresh_streams, nats_server  # noqa: F401

RATES = FaultRates(lost_reply_ratio=0.3, lost_request_ratio=0.1, refused_ratio=0.1, late_ratio=0.1, delay_seconds_max=1)
COMMANDS = 10_000
REAL_COMMANDS = 400


def chance(seed: int) -> np.random.Generator:
    """A counter-based generator."""
    return np.random.Generator(np.random.Philox(key=seed))


def command(number: int, expected: int) -> Append:
    """Command `number` under its session's fence."""
    return Append("tape.session.a.fact", str(number).encode(), f"c-{number}", {}, expected, "tape.session.a.>")


async def insist(tape: Tape, message: Append, clock: ManualClock | None) -> int:
    """Repeat an append until it is confirmed, each time long after its id is forgotten."""
    while True:
        try:
            return await tape.append(message)
        except (OutcomeUnknown, TapeUnavailable):
            if clock is not None:
                clock.advance(300)


async def ids(tape: Tape) -> list[str]:
    """Message ids in order."""
    return [message.headers[MESSAGE_ID] async for message in tape.read()]


@pytest.mark.parametrize("tries", [1, 2, 8])
async def test_no_command_twice_in_memory(tries: int) -> None:
    """10,000 commands with answers lost at 0.3, repeated past twice the time their ids are known: each one once."""
    clock = ManualClock()
    tape = MemoryTape(clock=clock, limits=Limits(append_tries_max=tries), faults=Faults(RATES, chance(tries)))
    last = 0
    for number in range(COMMANDS):
        last = await insist(tape, command(number, last), clock)
    assert await ids(tape.share()) == [f"c-{number}" for number in range(COMMANDS)]


async def test_unfenced_commands_within_their_window() -> None:
    """Without a fence, an append is tried only while its id is known, and then given up as unknown."""
    clock = ManualClock()
    limits = Limits(append_tries_max=50)
    faults = Faults(FaultRates(lost_reply_ratio=1.0), chance(1))
    tape = MemoryTape(clock=clock, limits=limits, faults=faults, duplicate_seconds=3.0)
    began = clock.monotonic_ns()
    with pytest.raises(OutcomeUnknown):
        await tape.append(Append("tape.a", b"", "1"))
    assert (clock.monotonic_ns() - began) / 1e9 < 3.0
    assert await ids(tape.share()) == ["1"]


async def test_what_never_left_is_said_so() -> None:
    """Where nothing was ever sent, the error says that nothing was stored."""
    tape = MemoryTape(clock=ManualClock(), faults=Faults(FaultRates(refused_ratio=1.0), chance(1)))
    with pytest.raises(TapeUnavailable, match="Nothing could be appended"):
        await tape.append(command(1, 0))


async def test_every_question_lost() -> None:
    """Where every answer and reading is lost, the outcome is called unknown, after a bounded number of tries."""
    clock = ManualClock()
    tape = MemoryTape(clock=clock, faults=Faults(FaultRates(lost_reply_ratio=1.0), chance(1)))
    with pytest.raises(OutcomeUnknown, match="Repeat it with the same id"):
        await tape.append(command(1, 0))
    assert await ids(tape.share()) == ["c-1"]


async def test_a_known_id_is_read_back_until_it_is_found() -> None:
    """A repeat whose id the log still knows is confirmed, though readings of what stands there get lost."""
    clock = ManualClock()
    message = Append("tape.a", b"once", "1")
    tape = MemoryTape(clock=clock)
    assert await tape.append(message) == 1
    lossy = tape.share(faults=Faults(FaultRates(lost_reply_ratio=0.3), chance(4)))
    for _ in range(200):
        assert await lossy.append(message) == 1
    assert await ids(tape) == ["1"]


async def test_batches_under_faults() -> None:
    """Atomic batches under the same faults are whole and stand once each."""
    clock = ManualClock()
    tape = MemoryTape(clock=clock, faults=Faults(RATES, chance(3)))
    expected, last = [], 0
    for number in range(500):
        batch = [command(number * 2, last), Append("tape.session.a.decision", b"d", f"c-{number * 2 + 1}")]
        while True:
            try:
                last = (await tape.append_atomic(batch))[-1]
                break
            except (OutcomeUnknown, TapeUnavailable):
                clock.advance(300)
        expected += [message.message_id for message in batch]
    assert await ids(tape.share()) == expected


async def test_same_seed_same_faults() -> None:
    """The same seed gives the same tape, fault by fault."""

    async def run(seed: int) -> tuple[list[str], int]:
        clock = ManualClock()
        tape = MemoryTape(clock=clock, faults=Faults(RATES, chance(seed)))
        last = 0
        for number in range(200):
            last = await insist(tape, command(number, last), clock)
        return await ids(tape.share()), clock.monotonic_ns()

    first, again, other = await run(5), await run(5), await run(6)
    assert first == again
    assert first[1] != other[1]


class LossyLink(Link):
    """A real connection whose answers get lost with p = 0.3, and whose questions with p = 0.1."""

    generator = chance(9)
    lost = 0

    async def request(self, subject: str, body: bytes, seconds: float, headers: dict[str, str] | None = None) -> Msg:
        draw = self.generator.random()
        if draw < 0.1:
            self.lost += 1
            raise NoAnswer("question lost")
        answer = await super().request(subject, body, seconds, headers)
        if draw < 0.4:
            self.lost += 1
            raise NoAnswer("answer lost")
        return answer


async def test_no_command_twice_on_a_real_server(nats_server: NatsServer) -> None:  # noqa: F811
    """The same on a real server whose ids are known for 0.2 s only, over several times that time."""
    straight = await Link.open(nats_server.endpoint(OWNER))
    await fresh_streams(straight, StreamSettings(duplicate_seconds=0.2))
    tape = await JetStreamTape.open(straight, limits=Limits(append_tries_max=3))
    link = await LossyLink.open(nats_server.endpoint(OWNER))
    assert isinstance(link, LossyLink)
    tape._log._link = link
    last, repeats = 0, 0
    for number in range(REAL_COMMANDS):
        message = command(number, last)
        last = await insist(tape, message, None)
        if number % 100 == 99:
            await asyncio.sleep(0.45)  # past twice the window
            assert await insist(tape, message, None) == last
            repeats += 1
    assert (repeats, link.lost > REAL_COMMANDS / 4) == (REAL_COMMANDS // 100, True)
    assert await ids(await JetStreamTape.open(straight)) == [f"c-{number}" for number in range(REAL_COMMANDS)]
    await link.close()
    await straight.close()


async def test_late_delivery_of_an_abandoned_append(nats_server: NatsServer) -> None:  # noqa: F811
    """An append that was given up and arrives after all does no harm: the writer behind it knows, and stops."""
    link = await Link.open(nats_server.endpoint(OWNER))
    await fresh_streams(link)
    tape = await JetStreamTape.open(link)
    abandoned, other = command(1, 0), Append("tape.session.a.fact", b"x", "other", {}, 0, "tape.session.a.>")
    assert await tape.append(abandoned) == 1
    with pytest.raises(FenceLost):
        await tape.append(other)
    assert await tape.append(abandoned) == 1
    await link.close()
