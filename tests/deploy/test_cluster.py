"""The deployed cluster carries the tape: what was appended survives the loss of a node, and roles are kept apart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events.errors import Forbidden, OperatingError
from events.jetstream import streams
from events.jetstream.link import Link
from events.jetstream.streams import StreamSettings
from events.jetstream.tape import JetStreamTape
from events.tape import Append, Limits
from tests.deploy.cluster import LOOK_SECONDS, NODES, READY_SECONDS_MAX, Cluster, running_cluster

LIMITS = Limits(append_seconds_max=3.0)
KILLS_OF_A_PROCESS_FOR_ONE_HERE = 25  # an election takes seconds: once in CI


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three running nodes."""
    with running_cluster(tmp_path) as started:
        yield started


async def initialised(cluster: Cluster) -> None:
    """Make the streams with three copies, as soon as the nodes have found each other."""
    await cluster.ready()
    admin = await Link.open(cluster.endpoint("admin"))
    await streams.init(admin, "epoch-1", StreamSettings(replicas=3))
    await admin.close()


def fact(number: int) -> Append:
    """A message of a session, numbered."""
    return Append("tape.session.s1.fact", b'{"n":%d}' % number, f"s1-{number}")


async def appended(tape: JetStreamTape, message: Append) -> int:
    """Append, again and again with the same id, until it is confirmed: the client's side of a change of leader."""
    async with asyncio.timeout(READY_SECONDS_MAX):
        while True:
            try:
                return await tape.append(message)
            except OperatingError:
                await asyncio.sleep(0.1)


async def numbers(tape: JetStreamTape) -> list[bytes]:
    """The bodies of the tape in order."""
    return [message.body async for message in tape.read()]


async def copies(link: Link) -> dict[str, Any]:
    """What the leader of the tape says of itself and of the other copies."""
    answer: dict[str, Any] = msgspec.json.decode(await streams.api(link, f"STREAM.INFO.{streams.TAPE_STREAM}"))
    return answer["cluster"]


async def leader(link: Link) -> str:
    """The node that leads the tape."""
    return str((await copies(link))["leader"])


async def caught_up(cluster: Cluster, link: Link) -> None:
    """Wait until every node is healthy and every copy that runs is complete."""
    await cluster.ready()
    behind: list[Any] = []
    for _ in range(round(READY_SECONDS_MAX / LOOK_SECONDS)):
        running = [copy for copy in (await copies(link))["replicas"] if copy["name"] in cluster.running]
        behind = [copy for copy in running if not copy["current"]]
        if not behind:
            return
        await asyncio.sleep(LOOK_SECONDS)
    raise TimeoutError(f"copies of the tape did not catch up: {behind}")


@pytest.mark.faults
async def test_nothing_confirmed_is_lost_when_the_leader_dies(cluster: Cluster, kills_count: int) -> None:
    """With the leading node killed and started again, every append stands on the tape once and in order."""
    await initialised(cluster)
    link = await Link.open(cluster.endpoint("engine"))
    tape = await JetStreamTape.open(link, limits=LIMITS)
    count = 0
    for _ in range(max(1, kills_count // KILLS_OF_A_PROCESS_FOR_ONE_HERE)):
        node = await leader(link)
        for at in range(10):
            if at == 5:
                cluster.kill(node)
            count += 1
            assert await appended(tape, fact(count)) == count
        cluster.start(node)
        await caught_up(cluster, link)
    assert await numbers(tape) == [fact(each).body for each in range(1, count + 1)]
    await link.close()


@pytest.mark.faults
async def test_a_lost_disk_is_filled_again_from_the_others(cluster: Cluster) -> None:
    """A node that comes back with an empty folder gets all messages: with another one dead, none is missing."""
    await initialised(cluster)
    link = await Link.open(cluster.endpoint("engine"))
    tape = await JetStreamTape.open(link, limits=LIMITS)
    for number in range(1, 6):
        assert await appended(tape, fact(number)) == number
    lost, dead = [node for node in NODES if node != await leader(link)]
    cluster.kill(lost)
    cluster.wipe(lost)
    cluster.start(lost)
    await caught_up(cluster, link)
    cluster.kill(dead)
    assert await appended(tape, fact(6)) == 6
    await caught_up(cluster, link)
    assert await numbers(tape) == [fact(number).body for number in range(1, 7)]
    await link.close()


@pytest.mark.faults
async def test_without_a_majority_nothing_is_said_to_be_written(cluster: Cluster) -> None:
    """Two dead nodes of three: an append is not confirmed. Back again, it is there once."""
    await initialised(cluster)
    link = await Link.open(cluster.endpoint("engine"))
    tape = await JetStreamTape.open(link, limits=LIMITS)
    assert await appended(tape, fact(1)) == 1
    cluster.kill("nats-2")
    cluster.kill("nats-3")
    with pytest.raises(OperatingError):
        await tape.append(fact(2))
    cluster.start("nats-2")
    assert await appended(tape, fact(2)) == 2
    await caught_up(cluster, link)
    assert await numbers(tape) == [fact(1).body, fact(2).body]
    await link.close()


@pytest.mark.faults
async def test_roles_do_only_their_own_work(cluster: Cluster) -> None:
    """The API cannot write a session's facts, and no one but admin makes a stream."""
    await initialised(cluster)
    link = await Link.open(cluster.endpoint("api"))
    tape = await JetStreamTape.open(link, limits=LIMITS)
    with pytest.raises(Forbidden):
        await tape.append(fact(1))
    with pytest.raises(Forbidden):
        await streams.create(link, streams.TAPE_STREAM, "epoch-2", StreamSettings(replicas=3))
    assert (await tape.info()).last == 0
    await link.close()


@pytest.mark.faults
async def test_a_copy_that_lags_cuts_no_reading_short(cluster: Cluster) -> None:
    """While a node that stood still catches up, every reading, page and question has all that was confirmed."""
    await initialised(cluster)
    links = [await Link.open(cluster.endpoint("engine", node)) for node in NODES]
    tapes = [await JetStreamTape.open(link, limits=LIMITS) for link in links]
    count = 0
    for _ in range(3):
        leading = await leader(links[0])
        still = NODES[NODES.index(leading) - 1]
        cluster.pause(still)
        for _ in range(40):
            count += 1
            assert await appended(tapes[NODES.index(leading)], fact(count)) == count
        cluster.resume(still)
        for at in range(30):
            tape = tapes[at % len(tapes)]
            read = [message.sequence async for message in tape.read(subjects=("tape.session.s1.fact",))]
            assert read == list(range(1, count + 1))
            page = await tape.page(count - 9)
            assert [message.sequence for message in page.messages] == list(range(count - 9, count + 1))
    for link in links:
        await link.close()


@pytest.mark.faults
async def test_reading_waits_for_an_election(cluster: Cluster) -> None:
    """Right after the leader was killed a reading takes longer, and gives everything."""
    await initialised(cluster)
    link = await Link.open(cluster.endpoint("engine"))
    tape = await JetStreamTape.open(link, limits=LIMITS)
    for number in range(1, 6):
        assert await appended(tape, fact(number)) == number
    cluster.kill(await leader(link))
    assert await numbers(tape) == [fact(number).body for number in range(1, 6)]
    assert len((await tape.page(1)).messages) == 5
    await link.close()
