"""What comes over the line reaches the reading that it is for, however it is cut into packets."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import ProtocolError

from events.jetstream.deliveries import DeliveringClient, Delivery

OURS, ANOTHERS = 7, 8


def headed(
    sid: int, body: bytes, headers: bytes = b"NATS/1.0\r\nA: 1\r\n\r\n", reply: bytes = b"$JS.ACK.T.c.1.2.3.4.5 "
) -> bytes:
    """A message with headers as the server sends it."""
    return b"HMSG tape.a %d %s%d %d\r\n%s%s\r\n" % (sid, reply, len(headers), len(headers) + len(body), headers, body)


def plain(sid: int, body: bytes) -> bytes:
    """A message without headers."""
    return b"MSG tape.a %d r.e %d\r\n%s\r\n" % (sid, len(body), body)


bodies = st.binary(max_size=40) | st.sampled_from([b"\r\n", b"PING\r\n", headed(OURS, b"inner")])
operations = st.lists(
    st.one_of(
        st.builds(headed, st.just(OURS), bodies),
        st.builds(headed, st.just(ANOTHERS), bodies),
        st.builds(headed, st.sampled_from([OURS, ANOTHERS]), bodies, reply=st.just(b"")),
        st.builds(plain, st.sampled_from([OURS, ANOTHERS]), bodies),
        st.sampled_from([b"PONG\r\n", b"+OK\r\n"]),
    ),
    max_size=8,
)


async def heard(packets: list[bytes]) -> tuple[list[Delivery], int]:
    """What a reading gets, and how many messages go nats-py's way."""
    client, got = DeliveringClient(), list[Delivery]()
    client.takes[OURS] = got.append
    for packet in packets:
        await client._ps.parse(packet)
    return got, client.stats["in_msgs"]


@given(operations, st.lists(st.integers(0, 800), max_size=8))
async def test_packets_may_end_anywhere(sent: list[bytes], cuts: list[int]) -> None:
    """Messages of a reading come whole, in order and none twice; those of others go where nats-py wants them."""
    whole = b"".join(sent)
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    got, others = await heard([whole[first:end] for first, end in itertools.pairwise(ends)])
    ours = [one for one in sent if b"MSG tape.a %d " % OURS in one[:20]]
    assert len(got) == len(ours)
    for (subject, reply, headers, body), one in zip(got, ours, strict=True):
        assert one in (headed(OURS, body, headers, reply + b" " if reply else b""), plain(OURS, body))
        assert subject == b"tape.a"
        assert one.startswith(b"H") == bool(headers)
    assert others == sum(b"MSG tape.a %d " % ANOTHERS in one[:20] for one in sent)


@pytest.mark.parametrize("line", [b"HELLO\r\n", b"MSG tape.a\r\n", b"HMSG tape.a 7 x\r\n"])
async def test_words_that_are_no_protocol(line: bytes) -> None:
    """A line that no server says is an error of the connection, which is made anew."""
    with pytest.raises(ProtocolError):
        await heard([headed(OURS, b"a") + line])


async def test_a_new_line_begins_with_nothing() -> None:
    """What was half there when the line broke is forgotten with it."""
    client, got = DeliveringClient(), list[Delivery]()
    client.takes[OURS] = got.append
    await client._ps.parse(headed(OURS, b"lost")[:-4])
    client._ps.reset()
    await client._ps.parse(headed(OURS, b"came"))
    assert [body for *_, body in got] == [b"came"]
