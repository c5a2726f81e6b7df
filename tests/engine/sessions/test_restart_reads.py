"""What a restart reads: from where the session stood, not from where it began."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from engine import catalogue
from engine.sessions.host import Host
from engine.sessions.inputs import QUEUE_BYTES_MAX, CommandInput, TailInputs
from engine.sessions.plan import SessionWish, StrategyWish
from engine.sessions.runner import RunnerSettings
from engine.sessions.snapshots import _open
from engine.sources.source import Source, forms_of
from events import codec, frames, subjects
from events.facts import CancelOrder, Place, SessionProgressed, StopSession
from events.frames import Section
from events.memory_tape import MemoryTape
from events.rows import SectionKind
from events.tape import Append, Message, Receive
from tests.engine.sessions.memory_house import MemoryHouse, until, walk

EMA = (StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),)
SIMULATED = Source(id="sim", kind="simulated", symbols=("BTC_USDT",), acceleration=50.0)


class ListeningTape(MemoryTape):
    """A tape that notes every message that is read of it."""

    heard: list[Message]
    tailed: list[Message]  # those that came by a tail: a source that goes on reads its last ones besides

    @classmethod
    def of(cls, tape: MemoryTape) -> ListeningTape:
        """Another connection to the same log."""
        found = cls(clock=tape.clock, limits=tape.limits)
        found._store = tape._store
        found.heard, found.tailed = [], []
        return found

    async def read(
        self, start: int = 1, *, subjects: tuple[str, ...] = (), end: int | None = None
    ) -> AsyncIterator[Message]:
        """See `Tape.read`."""
        async for message in super().read(start, subjects=subjects, end=end):
            self.heard.append(message)
            yield message

    async def tail(self, start: int, receive: Receive, *, subjects: tuple[str, ...] = ()) -> object:  # type: ignore[override]
        """See `Tape.tail`."""

        async def hear(message: Message) -> None:
            self.heard.append(message)
            self.tailed.append(message)
            await receive(message)

        return await super().tail(start, hear, subjects=subjects)


async def test_a_restart_reads_no_row_twice(tmp_path: Path) -> None:
    """A tail session that is restarted reads market rows and decisions from its snapshot on, and none before it."""
    house = MemoryHouse(tmp_path, {"sim": SIMULATED})
    await house.start()
    await catalogue.register(house.tape, forms_of(SIMULATED))
    async with house.host("first"):
        spec = await house.start_session(SessionWish(mode="paper", source="sim", strategies=EMA))

        async def decided() -> bool:
            return len([each async for each in house.tape.read(1, subjects=("tape.session.*.decision",))]) > 3

        await until(decided)
    (name, *_) = reversed(await house.blobs.names("snapshots/"))
    snapshot = _open(await house.blobs.get(name))
    assert snapshot is not None
    tape = ListeningTape.of(house.tape)
    async with house.host("second", tape=tape):
        await house.send(StopSession(key="s", user="ann", session=spec.session))
        assert (await house.ended(spec.session)).ended is not None
    market = [each.sequence for each in tape.tailed if each.subject.startswith("tape.market.")]
    decisions = [each.sequence for each in tape.heard if each.subject.endswith(".decision")]
    before = Counter(each for each in market if each < snapshot.place.sequence)
    assert set(before.values()) <= {1}  # the source looks at what it gave last, and nobody else does
    assert not decisions or min(decisions) > snapshot.written


async def test_commands_that_wait_from_before_the_place_come_first(tmp_path: Path) -> None:
    """A command that was met and not answered before the place of a restart is met again, before any row."""
    tape = MemoryTape()
    cancel = CancelOrder(key="c", user="ann", session="s", order=1)
    body = frames.encode((Section(SectionKind.MARKET, walk(10), 0),))
    for number in range(4):
        await tape.append(Append(subjects.market("sim"), body, f"m{number}"))
        await tape.append(codec.to_append(cancel, subjects.session_commands("s"), f"c{number}"))
    listening = ListeningTape.of(tape)
    inputs = TailInputs(listening, "sim", "s", Place(5, 4), 2)
    met = []
    async for item in inputs.read():
        met.append(item.sequence if isinstance(item, CommandInput) else (item.place(0), item.last))
        if len(met) == 5:
            break
    await inputs.close()
    assert [each for each in met if isinstance(each, int)] == [4, 6, 8]
    assert isinstance(met[0], int)
    assert met[1] == (Place(5, 5), Place(5, 9))
    assert min(each.sequence for each in listening.heard if each.subject == subjects.market("sim")) == 5


async def test_inputs_close_at_once_while_the_tail_waits_for_room(tmp_path: Path) -> None:
    """A tail of many and large messages holds few of them, and ends at once when its reader goes."""
    tape = MemoryTape()
    body = frames.encode((Section(SectionKind.MARKET, walk(10_000), 0),))
    for number in range(60):
        await tape.append(Append(subjects.market("sim"), body, f"m{number}"))
    listening = ListeningTape.of(tape)
    inputs = TailInputs(listening, "sim", "s", Place(0, 1 << 40), 0)
    async for _ in inputs.read():
        break
    await asyncio.sleep(0.1)
    held = sum(len(each.body) for each in listening.heard)
    assert held <= QUEUE_BYTES_MAX + 3 * len(body)
    async with asyncio.timeout(2):
        await inputs.close()


@pytest.mark.parametrize("mode", ["paper", "collect"])
async def test_a_session_tells_how_far_it_is(tmp_path: Path, mode: Literal["paper", "collect"]) -> None:
    """A running session says how many rows it has read, without deciding anything, and on over a restart."""
    house = MemoryHouse(tmp_path, {"sim": SIMULATED})
    await house.start()
    await catalogue.register(house.tape, forms_of(SIMULATED))
    often = RunnerSettings(progress_seconds=0.1)
    told = []
    strategies = () if mode == "collect" else EMA
    for name in ("first", "second"):
        async with house.host(name, often) as host:
            if not told:
                spec = await house.start_session(SessionWish(mode=mode, source="sim", strategies=strategies))
            before = told[-1] if told else 0

            async def further(host: Host = host, name: str = spec.session, before: int = before) -> bool:
                session = host.desk.sessions.get(name)
                return session is not None and session.inputs > before + 20

            await until(further)
            told.append(host.desk.sessions[spec.session].inputs)
    async with house.host("last", often):
        await house.send(StopSession(key="s", user="ann", session=spec.session))
        ended = (await house.ended(spec.session)).ended
    assert ended is not None
    rows = 0
    async for message in house.tape.read(1, subjects=("tape.market.sim",)):
        rows += len(frames.decode(message.body, message.sequence)[0].rows)
    assert told[0] < told[1] <= ended.inputs <= rows
    facts = [codec.decode(each.body) async for each in house.tape.read(1, subjects=("tape.session.*.fact",))]
    progress = [fact for fact in facts if isinstance(fact, SessionProgressed)]
    assert [fact.inputs for fact in progress] == sorted({fact.inputs for fact in progress})
