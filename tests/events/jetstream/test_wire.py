"""What the server puts around messages, as it stands on the line."""

from __future__ import annotations

import pytest

from events.jetstream import wire
from events.jetstream.wire import Place, Status
from events.tape import MESSAGE_ID


def test_headers_that_another_program_wrote() -> None:
    """A reader sees headers as they were written, the id among them, and neither the log's own nor broken names."""
    block = (
        b"NATS/1.0\r\nContent-Type:text/plain\r\nNats-Msg-Id: a:1\r\nNats-Expected-Stream: TAPE\r\n"
        b"Word: \xc3\xa4 : \xff \r\nNo Name: 1\r\nN\xc3\xa4me: 2\r\nno colon\r\nEmpty:\r\n\r\n"
    )
    assert wire.visible(block) == {
        "Content-Type": "text/plain",
        MESSAGE_ID: "a:1",
        "Word": "ä : \N{REPLACEMENT CHARACTER}",
        "Empty": "",
    }
    assert wire.visible(b"") == {}
    assert wire.visible(b"NATS/1.0\r\n\r\n") == {}


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 3\r\n\r\n", Status("100", "Idle Heartbeat", None)),
        (
            b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 12\r\nNats-Pending-Bytes: 0\r\n\r\n",
            Status("408", "Request Timeout", 12),
        ),
        (b"NATS/1.0 404\r\n\r\n", Status("404", "", None)),
        (b"", Status("", "", None)),
    ],
)
def test_words_of_the_server_in_place_of_a_message(block: bytes, said: Status) -> None:
    """A word of the server is read whole, with what a question had left."""
    assert wire.status(block) == said


def test_the_place_of_a_delivery() -> None:
    """Both forms of the reply subject say where a message stands."""
    assert wire.place(b"$JS.ACK.TAPE.c.1.17.3.1700000000000000001.9") == Place(17, 3, 1700000000000000001, 9)
    long = b"$JS.ACK.domain.account.TAPE.c.1.17.3.1700000000000000001.9.token"
    assert wire.place(long) == Place(17, 3, 1700000000000000001, 9)
