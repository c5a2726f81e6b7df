"""What every tape promises of appending: the same cases in memory and on a real nats-server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from events.errors import Conflict, FenceLost, InvalidInput, TooLarge
from events.jetstream.server import NatsServer
from events.tape import MESSAGE_ID, Append
from tests.contracts.tape_sites import KINDS, LIMITS, Site, everything, fact, fenced, frame, site_of
from tests.fixtures.nats import nats_server  # noqa: F401


@pytest.fixture(params=KINDS)
async def site(request: pytest.FixtureRequest, nats_server: NatsServer) -> AsyncIterator[Site]:  # noqa: F811
    """An empty tape of each kind."""
    async with site_of(request.param, nats_server) as made:
        yield made


# --- appending --------------------------------------------------------------------------------------------------------


async def test_sequences_count_from_one(site: Site) -> None:
    """The first message has sequence 1, and what was appended is read back as it was."""
    assert [await site.tape.append(fact(number)) for number in (1, 2, 3)] == [1, 2, 3]
    message = await site.tape.get(2)
    assert message is not None
    assert (message.sequence, message.subject, message.body) == (2, "tape.session.a.fact", b"{}")
    assert message.headers == {"X-Number": "2", MESSAGE_ID: "a-2"}
    assert message.appended_ns > 0


async def test_stale_writer_is_refused(site: Site) -> None:
    """A writer that does not know the newest message of its fence appends nothing."""
    await site.tape.append(fact(1, expected=0))
    await site.tape.append(fact(2, expected=1))
    with pytest.raises(FenceLost) as refused:
        await site.tape.append(fact(3, expected=1))
    assert (refused.value.expected, refused.value.actual) == (1, 2)
    assert len(await everything(site.tape)) == 2


async def test_one_fence_over_all_subjects_of_a_session(site: Site) -> None:
    """A stale writer is refused on another subject of the same session too, and not on another session's."""
    await site.tape.append(fact(1, expected=0))
    other = Append("tape.session.a.decision", b"x", "d-1", {}, 0, "tape.session.a.>")
    with pytest.raises(FenceLost):
        await site.tape.append(other)
    assert await site.tape.append(fact(1, session="b", expected=0)) == 2


async def test_fence_on_the_subject_alone(site: Site) -> None:
    """Without a filter, the fence is the message's own subject."""
    assert await site.tape.append(fenced(frame(1), 0)) == 1
    assert await site.tape.append(fact(1)) == 2
    assert await site.tape.append(fenced(frame(2), 1)) == 3


async def test_repeat_is_answered_with_its_sequence(site: Site) -> None:
    """The same append again, at once or much later, fenced or not: the same sequence and no second message."""
    assert await site.tape.append(fact(1, expected=0)) == 1
    assert await site.tape.append(fact(2)) == 2
    assert await site.tape.append(fact(2)) == 2
    assert await site.tape.append(fact(1, expected=0)) == 1
    await site.forget_ids()
    assert await site.tape.append(fact(1, expected=0)) == 1
    assert len(await everything(site.tape)) == 2


async def test_repeat_of_an_older_append_is_found(site: Site) -> None:
    """A fenced append is recognised although others followed it, long after its id is forgotten."""
    for number in range(5):
        await site.tape.append(fact(number, expected=number))
    await site.forget_ids()
    assert await site.tape.append(fact(1, expected=1)) == 2
    assert len(await everything(site.tape)) == 5


async def test_id_belongs_to_one_content(site: Site) -> None:
    """A grown frame under its old id is refused loudly: its new rows would be lost."""
    await site.tape.append(fact(1, body=b"short"))
    with pytest.raises(Conflict, match="a-1"):
        await site.tape.append(fact(1, body=b"short and more"))
    await site.tape.append(fact(2, expected=1, body=b"short"))
    with pytest.raises(FenceLost):
        await site.tape.append(fact(2, expected=1, body=b"short and more"))
    assert [message.body for message in await everything(site.tape)] == [b"short", b"short"]


async def test_two_writers_on_one_fence(site: Site) -> None:
    """Of two writers that race, one wins each place, and the other knows it."""
    other = await site.another()

    async def write(tape: object, name: str) -> list[int]:
        won: list[int] = []
        last = 0
        for number in range(20):
            message = Append("tape.session.a.fact", b"x", f"{name}-{number}", {}, last, "tape.session.a.>")
            try:
                last = await tape.append(message)  # type: ignore[attr-defined]
                won.append(last)
            except FenceLost as lost:
                last = lost.actual or 0
        return won

    one, two = await asyncio.gather(write(site.tape, "one"), write(other, "two"))
    messages = await everything(site.tape)
    assert sorted(one + two) == [message.sequence for message in messages] == list(range(1, len(messages) + 1))
    assert {message.sequence for message in messages if message.headers[MESSAGE_ID].startswith("one")} == set(one)


@pytest.mark.parametrize(
    "message",
    [
        Append("tape.session.a.*", b"", "1"),
        Append("tape.session.>", b"", "1"),
        Append("tape..a", b"", "1"),
        Append("tape", b"", "1"),
        Append("other.a", b"", "1"),
        Append("tape.a b", b"", "1"),
        Append("tape.a\r\nPUB x 0", b"", "1"),
        Append("tape." + "a" * 65, b"", "1"),
        Append("tape.ä", b"", "1"),
        Append("tape.a", b"", ""),
        Append("tape.a", b"", "with space"),
        Append("tape.a", b"", "line\nbreak"),
        Append("tape.a", b"", "x" * 257),
        Append("tape.a", b"", "1", {"X-A": "one\r\nX-B: two"}),
        Append("tape.a", b"", "1", {"X-A": " padded"}),
        Append("tape.a", b"", "1", {"X-A": ""}),
        Append("tape.a", b"", "1", {"X A": "v"}),
        Append("tape.a", b"", "1", {"Nats-Expected-Stream": "TAPE"}),
        Append("tape.a", b"", "1", {}, -1),
        Append("tape.a", b"", "1", {}, 0, "tape.a.>.b"),
    ],
)
async def test_what_the_log_would_store_wrongly_is_refused(site: Site, message: Append) -> None:
    """Wildcards, line breaks, reserved and empty headers are refused before anything is sent."""
    with pytest.raises(InvalidInput):
        await site.tape.append(message)
    with pytest.raises(InvalidInput):
        await site.tape.append_atomic([fact(1), message])
    with pytest.raises(InvalidInput):
        await site.tape.append_bulk([message])
    assert (await site.tape.info()).last == 0


async def test_sizes_are_refused_before_sending(site: Site) -> None:
    """A body or headers over the limits are refused, and the tape goes on."""
    with pytest.raises(TooLarge, match="body_bytes_max"):
        await site.tape.append(fact(1, body=b"x" * (LIMITS.body_bytes_max + 1)))
    with pytest.raises(TooLarge, match="headers_bytes_max"):
        await site.tape.append(Append("tape.a", b"", "1", {"X-A": "v" * 2_000}))
    with pytest.raises(TooLarge, match="batch_messages_max"):
        await site.tape.append_atomic([fact(number) for number in range(LIMITS.batch_messages_max + 1)])
    assert await site.tape.append(fact(1, body=b"x" * LIMITS.body_bytes_max)) == 1


# --- several at once --------------------------------------------------------------------------------------------------


async def test_atomic_all_or_none(site: Site) -> None:
    """A batch is stored whole and in one piece, or not at all."""
    assert await site.tape.append_atomic([]) == []
    assert await site.tape.append_atomic([fact(1, expected=0), fact(2), frame(1)]) == [1, 2, 3]
    with pytest.raises(FenceLost):
        await site.tape.append_atomic([fact(4, expected=0), fact(5)])
    info = await site.tape.info()
    assert info.last == 3
    assert re.fullmatch(r"(\d+\.\d+\.\d+)?", info.server), "its server's version as numbers, none in memory"


async def test_atomic_repeat(site: Site) -> None:
    """A batch again, at once or long after, is answered with its sequences."""
    batch = [fact(1, expected=0), fact(2), fact(3)]
    assert await site.tape.append_atomic(batch) == [1, 2, 3]
    assert await site.tape.append_atomic(batch) == [1, 2, 3]
    await site.forget_ids()
    assert await site.tape.append_atomic(batch) == [1, 2, 3]
    assert (await site.tape.info()).last == 3


async def test_bulk_in_order(site: Site) -> None:
    """Many frames of one source stand in order, whoever else appends meanwhile."""
    other = await site.another()

    async def disturb() -> None:
        for number in range(30):
            await other.append(fact(number, session="b"))

    messages = [frame(number) for number in range(60)]
    sequences, _ = await asyncio.gather(site.tape.append_bulk(messages, window=8), disturb())
    stored = [message async for message in site.tape.read(subjects=("tape.market.s",))]
    assert [message.headers[MESSAGE_ID] for message in stored] == [message.message_id for message in messages]
    assert [message.sequence for message in stored] == sequences
    assert (await site.tape.info()).last == 90


async def test_bulk_again_repeats_nothing(site: Site) -> None:
    """An import that is tried again with the same ids adds only what is missing, however late."""
    messages = [fenced(frame(0), 0), *(frame(number) for number in range(1, 20))]
    first = await site.tape.append_bulk(messages[:12])
    await site.forget_ids()
    assert (await site.tape.append_bulk(messages))[:12] == first
    stored = await everything(site.tape)
    assert [message.headers[MESSAGE_ID] for message in stored] == [message.message_id for message in messages]


async def test_bulk_takes_what_comes_in_time(site: Site) -> None:
    """Frames may come from an asynchronous source; behind what is there, without a fence of its own."""
    await site.tape.append(frame(1000))

    async def frames() -> AsyncIterator[Append]:
        for number in range(10):
            await asyncio.sleep(0)
            yield frame(number)

    assert await site.tape.append_bulk(frames(), window=3) == list(range(2, 12))


async def test_bulk_stops_at_a_foreign_message(site: Site) -> None:
    """A second writer on the source ends a bulk append; what was confirmed stays."""
    await site.tape.append(frame(7))
    with pytest.raises(FenceLost):
        await site.tape.append_bulk([fenced(frame(0), 0), frame(1)])
    assert (await site.tape.info()).last == 1
