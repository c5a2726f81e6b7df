"""Orders over a line that loses every third reply: each is done once, however often and however late it is sent."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from engine.sessions import history as histories
from engine.sessions.plan import SessionWish, StrategyWish
from engine.sessions.runner import RunnerSettings
from events import codec, subjects
from events.clock import SystemClock
from events.errors import OperatingError
from events.facts import CommandAccepted, SessionLimits, SessionProgressed, StopSession, SubmitOrder
from events.faults import FaultRates, Faults
from events.memory_tape import MemoryTape
from events.rows import OrderStatus, Rows, SectionKind
from events.tape import Limits
from tests.engine.sessions.memory_house import MemoryHouse, walk

CLIENTS = 200  # one order after the other each
WINDOW_SECONDS = 0.05  # how long the tape knows a message id: repeats go far past twice of it
RATES = FaultRates(lost_reply_ratio=0.3)
PRICED_INPUTS = 20
ANSWER_SECONDS_MAX = 60.0
ACCELERATION = 20.0  # 200 rows a second
QUANTITY = 0.001  # of an order by hand; the strategy's own, where it lasts until its first, are larger
NEVER = (StrategyWish(strategy="ema_cross", params={"fast": 4_000, "slow": 5_000}),)


def by_hand(rows: Rows) -> Rows:
    """Those of the orders sent here."""
    return rows[rows["quantity"] == QUANTITY]


class Desk:
    """Sends orders and hears their answers."""

    def __init__(self, house: MemoryHouse, session: str) -> None:
        self.house = house
        self.session = session
        self.answers: dict[str, int] = {}  # key -> answers that changed something
        self.sent = 0
        self.priced = asyncio.Event()  # there are prices to trade at
        self._heard: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._late: set[asyncio.Task[None]] = set()
        generator = np.random.Generator(np.random.Philox(key=9))
        self._line = house.tape.share(faults=Faults(RATES, generator))
        self._line.limits = Limits(append_tries_max=1)

    async def hear(self) -> None:
        """Follow the answers."""
        await self.house.tape.tail(1, self._note, subjects=(f"tape.session.{self.session}.fact",))

    async def _note(self, message: object) -> None:
        fact = codec.decode(message.body, message.sequence)  # type: ignore[attr-defined]
        if isinstance(fact, SessionProgressed) and fact.inputs >= PRICED_INPUTS:
            self.priced.set()
        if isinstance(fact, CommandAccepted):
            self.answers[fact.key] = self.answers.get(fact.key, 0) + fact.changed
            self._heard[fact.key].set()

    async def order(self, number: int) -> None:
        """One order, sent again under its key until its reply comes; now and then once more, long after."""
        key = f"order-{number}"
        while not await self._send(key):  # noqa: ASYNC110 - until the line lets it through
            await asyncio.sleep(0)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await self._heard[key].wait()
        if number % 20 == 0:
            self._late.add(asyncio.create_task(self._repeat(key)))

    async def repeated(self) -> None:
        """Wait until the last late repeat was sent."""
        await asyncio.gather(*self._late)

    async def _repeat(self, key: str) -> None:
        await asyncio.sleep(2.5 * WINDOW_SECONDS)
        await self._send(key)

    async def _send(self, key: str) -> bool:
        self.sent += 1
        command = SubmitOrder(key=key, user="ann", session=self.session, symbol="AAA", side="buy", quantity=QUANTITY)
        subject = subjects.session_commands(self.session)
        try:
            await self._line.append(codec.to_append(command, subject, f"command:{self.sent}"))
        except OperatingError:  # it stands on the tape all the same
            return False
        return True


@pytest.mark.faults
@pytest.mark.timeout(3_600)
async def test_no_order_is_done_twice(tmp_path: Path, orders_count: int) -> None:
    """A third of the replies is lost, repeats come past twice the time that ids are known: each order is done once."""
    house = MemoryHouse(tmp_path)
    house.tape = MemoryTape(clock=SystemClock(), duplicate_seconds=WINDOW_SECONDS)
    await house.start()
    recording = (await house.record(walk(200_000))).recording
    limits = SessionLimits(cash=1e9, global_cap=1e9)
    wish = SessionWish(mode="paper", recording=recording.id, strategies=NEVER, limits=limits, acceleration=ACCELERATION)
    async with house.host("one", RunnerSettings(progress_seconds=0.1)):
        spec = await house.start_session(wish)
        desk = Desk(house, spec.session)
        await desk.hear()
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await desk.priced.wait()

        async def client(first: int) -> None:
            for number in range(first, orders_count, CLIENTS):
                await desk.order(number)

        await asyncio.gather(*(client(first) for first in range(CLIENTS)))
        await desk.repeated()
        await house.send(StopSession(key="stop", user="ann", session=spec.session))
        history = await house.ended(spec.session)
    assert history.ended is not None, history.failed
    assert desk.sent > orders_count * 1.1
    assert {key: count for key, count in desk.answers.items() if key != "stop" and count != 1} == {}
    held = (await histories.read(house.tape, spec.session)).held
    rows, denied = (by_hand(held.rows(kind, 0)) for kind in (SectionKind.ORDER, SectionKind.DENIAL))
    accepted = Counter(rows["order"][rows["status"] == OrderStatus.ACCEPTED].tolist())
    assert len(denied) == 0
    assert len(accepted) == orders_count
    assert max(accepted.values()) == 1
