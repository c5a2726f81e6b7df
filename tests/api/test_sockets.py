"""Sockets that end: slow clients, missed events, what fails, and tokens that are void."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from api import sockets
from api.settings import ApiSettings
from events import codec, subjects
from events.errors import ReadModelUnavailable
from events.facts.jobs import JobClaimed, JobCompleted, JobQueued
from projections.batch import Batch
from projections.duckdb.read_model import DuckReadModel
from tests.api.asgi_socket import Socket, connected
from tests.api.worlds import World, world
from tests.fixtures.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUEUE, CLIENTS = 16, 3
MONITOR = "/api/ws/monitor"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with short queues and few places."""
    api = ApiSettings(stream_queue_max=QUEUE, stream_clients_max=CLIENTS)
    async with world(tmp_path_factory.mktemp("sockets"), api=api) as found:
        yield found


async def greeted(socket: Socket) -> None:
    """The socket is served."""
    await socket.send({"type": "ping"})
    assert (await socket.receive())["type"] == "pong"


async def ended(socket: Socket) -> tuple[int | None, str]:
    """How a socket was closed."""
    while await socket.receive() is not None:
        pass
    return socket.closed, socket.reason


async def test_a_slow_client_is_dropped_and_nobody_waits_for_it(made: World) -> None:
    """Its queue is full: it is closed with 1013, and the others have heard every message."""
    async with connected(made.app, holds=1) as slow, connected(made.app) as quick:
        for each in (slow, quick):
            await greeted(each)
        for number in range(3 * QUEUE):
            made.house.broadcast.tell("health_alert", {"number": number}, made.clock.now_ns())
            assert (await quick.receive())["data"] == {"number": number}
        assert await ended(slow) == (1013, "too slow")
        await greeted(quick)


async def test_a_client_that_takes_nothing_is_let_go(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One message that it does not take for seconds is enough; its place is free again."""
    monkeypatch.setattr("api.sockets.SEND_SECONDS_MAX", 0.1)
    async with connected(made.app, holds=1) as stuck:
        await greeted(stuck)
        for _ in range(2):
            made.house.broadcast.tell("health_alert", {}, made.clock.now_ns())
        await until(lambda: made.house.broadcast.clients == 0)


async def test_places_are_bounded_and_come_free(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One client too many is refused; a first look that fails costs no place."""

    async def broken() -> None:
        raise ReadModelUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr("api.sockets.seen", lambda *_: broken())
        async with connected(made.app, MONITOR) as refused:
            assert (await ended(refused))[0] == 1013
    await until(lambda: made.house.broadcast.clients == 0)
    async with connected(made.app) as one, connected(made.app) as two, connected(made.app) as three:
        for each in (one, two, three):
            await greeted(each)
        async with connected(made.app) as late:
            assert (await ended(late))[0] == 1013
    await until(lambda: made.house.broadcast.clients == 0)


async def test_missed_events_of_jobs_end_the_sockets_that_want_them(made: World) -> None:
    """Who subscribed is told, and can come back; others hear on."""
    async with connected(made.app) as subscribed, connected(made.app) as other:
        await greeted(other)
        await subscribed.send({"type": "subscribe", "channel": "backtest", "jobId": "some"})
        await greeted(subscribed)
        made.house.jobs.release()
        assert await ended(subscribed) == (1013, "events of jobs were missed; subscribe again")
        await greeted(other)


async def test_an_event_of_a_job_that_cannot_be_worded_leaves_no_client_waiting(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who subscribed is told that events were missed, and hears of jobs again when it comes back."""
    wish = {"type": "subscribe", "channel": "backtest", "jobId": "odd"}

    def fail(*_: Any) -> None:
        raise ValueError("canary")

    queued = JobQueued(job="odd", kind="backtest", user="trader", body=msgspec.Raw(b"{}"), cores=900.0)
    await made.tape.append(codec.to_append(queued, subjects.job("odd"), "odd-1"))
    await made.caught_up()
    claimed = JobClaimed(job="odd", worker="far-1", epoch=1)
    with monkeypatch.context() as patched:
        patched.setattr("api.streams.broadcast.job_messages", fail)
        async with connected(made.app) as socket:
            await socket.send(wish)
            await greeted(socket)
            await made.tape.append(codec.to_append(claimed, subjects.job("odd"), "odd-2"))
            why = "events of jobs were missed; subscribe again"
            assert await asyncio.wait_for(ended(socket), 5) == (1013, why)
    over = JobCompleted(job="odd", epoch=1, result=msgspec.Raw(b"{}"), completed_ns=1)
    async with connected(made.app) as socket:
        await socket.send(wish)
        await greeted(socket)
        await made.tape.append(codec.to_append(over, subjects.job("odd"), "odd-3"))
        assert (await asyncio.wait_for(socket.receive(), 5))["type"] == "job_complete"


async def test_what_nobody_foresaw_ends_a_socket_with_a_code(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is told that it failed here, and not why."""

    async def fail(*_: Any) -> None:
        raise ValueError("canary")

    monkeypatch.setattr("api.sockets._answer", fail)
    async with connected(made.app) as socket:
        await socket.send({"type": "ping"})
        assert await asyncio.wait_for(ended(socket), 5) == (1011, "internal error")


async def test_an_end_that_is_not_read_yet_is_told(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who subscribes while the read model still takes in the end of a job is told of it, as of any that is over."""
    applying, may = DuckReadModel.apply, threading.Event()

    def slowly(model: DuckReadModel, batch: Batch) -> None:
        may.wait(10)
        applying(model, batch)

    facts = (
        JobQueued(job="over-1", kind="backtest", user="trader", body=msgspec.Raw(b"{}"), cores=900.0),
        JobClaimed(job="over-1", worker="far-1", epoch=1),
        JobCompleted(job="over-1", epoch=1, result=msgspec.Raw(b"{}"), completed_ns=1),
    )
    monkeypatch.setattr(DuckReadModel, "apply", slowly)
    for number, fact in enumerate(facts):
        await made.tape.append(codec.to_append(fact, subjects.job("over-1"), f"over-1-{number}"))
    last = await made.last()
    await until(lambda: made.house.jobs.sequence == last)  # told to whoever listened
    async with connected(made.app) as socket:
        await socket.send({"type": "subscribe", "channel": "backtest", "jobId": "over-1"})
        await asyncio.sleep(0.1)
        may.set()
        assert (await socket.receive())["type"] == "job_complete"


async def test_an_end_that_is_looked_up_and_heard_is_told_once(made: World) -> None:
    """Who subscribes while the end of a job is on its way is told of it once; who subscribes anew is told again."""
    facts = (
        JobQueued(job="over-2", kind="backtest", user="trader", body=msgspec.Raw(b"{}"), cores=900.0),
        JobClaimed(job="over-2", worker="far-1", epoch=1),
        JobCompleted(job="over-2", epoch=1, result=msgspec.Raw(b"{}"), completed_ns=1),
    )
    for number, fact in enumerate(facts):
        await made.tape.append(codec.to_append(fact, subjects.job("over-2"), f"over-2-{number}"))
    await made.caught_up()
    event = await made.house.jobs.ended("over-2")
    assert event is not None
    wish = {"type": "subscribe", "channel": "backtest", "jobId": "over-2"}
    async with connected(made.app) as socket:
        await socket.send(wish)
        assert (await socket.receive())["type"] == "job_complete"
        made.house.broadcast.job_told(event)  # as the feed of jobs tells it to all
        await greeted(socket)
        await socket.send(wish)
        assert (await socket.receive())["type"] == "job_complete"


async def test_a_monitor_is_told_the_status_once_on_connecting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of all, and one that comes while a look is under way, have one status, and the next in its time."""
    monkeypatch.setattr("api.streams.broadcast.STATUS_SECONDS", 0.3)
    look, may = sockets.seen, asyncio.Event()

    async def slow(*given: Any) -> Any:
        looked = await look(*given)
        await may.wait()
        return looked

    async with world(tmp_path) as made:
        async with connected(made.app, MONITOR) as first:
            assert (await first.receive())["type"] == "system_status"
            await greeted(first)  # nothing between
            assert (await first.receive())["type"] == "system_status"
        await until(lambda: made.house.broadcast.clients == 0)
        watching = made.house.broadcast._watching
        await until(lambda: watching is None or watching.done())  # nobody is there: the looks end
        monkeypatch.setattr("api.sockets.seen", slow)
        async with connected(made.app) as other:
            await greeted(other)  # and the look that it began waits
            monkeypatch.setattr("api.sockets.seen", look)
            async with connected(made.app, MONITOR) as second:
                assert (await second.receive())["type"] == "system_status"
                may.set()
                await greeted(second)
                assert (await second.receive())["type"] == "system_status"
