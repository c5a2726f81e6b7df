"""What JetStream puts around a message, taken off: headers of its own, the place in a reply subject, time stamps."""

from __future__ import annotations

import base64

import msgspec

from events.clock import from_iso
from events.tape import MESSAGE_ID, Append, Message

EXPECTED = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
EXPECTED_LAST_ID = "Nats-Expected-Last-Msg-Id"
BATCH_ID = "Nats-Batch-Id"
BATCH_SEQUENCE = "Nats-Batch-Sequence"
BATCH_COMMIT = "Nats-Batch-Commit"
_OWN = "Nats-"
_STATUS_LINE = b"NATS/1.0"


class Place(msgspec.Struct, frozen=True):
    """Where a delivered message stands: on the stream and in its consumer."""

    sequence: int
    delivered: int  # 1, 2, 3 ... of this consumer
    appended_ns: int
    pending: int  # messages of the filter behind this one


def place(reply: str) -> Place:
    """From `$JS.ACK.<stream>.<consumer>.<tries>.<sequence>.<delivered>.<ns>.<pending>`, the old form or the long."""
    parts = reply.split(".")
    at = 5 if len(parts) == 9 else 7
    return Place(int(parts[at]), int(parts[at + 1]), int(parts[at + 2]), int(parts[at + 3]))


def headers_of(message: Append) -> dict[str, str]:
    """Headers as sent: ours, the id, the fence."""
    headers = {**message.headers, MESSAGE_ID: message.message_id}
    if message.expected is not None:
        headers[EXPECTED] = str(message.expected)
        if message.fence is not None and message.fence != message.subject:
            headers[EXPECTED_SUBJECT] = message.fence
    return headers


def visible(headers: dict[str, str] | None) -> dict[str, str]:
    """Headers as read: without what the log added or used up."""
    if not headers:
        return {}
    return {key: value for key, value in headers.items() if not key.startswith(_OWN) or key == MESSAGE_ID}


class _Raw(msgspec.Struct):
    subject: str
    seq: int
    time: str
    hdrs: str = ""
    data: str = ""


class _Got(msgspec.Struct):
    message: _Raw


_GOT = msgspec.json.Decoder(_Got)


def message_of(answer: bytes) -> Message:
    """The message in an answer to `STREAM.MSG.GET`."""
    raw = _GOT.decode(answer).message
    return Message(
        raw.seq,
        raw.subject,
        visible(parse_headers(base64.b64decode(raw.hdrs))),
        base64.b64decode(raw.data),
        stamp_ns(raw.time),
    )


def parse_headers(block: bytes) -> dict[str, str]:
    """Name to value of a header block."""
    headers = {}
    for line in block.removeprefix(_STATUS_LINE).split(b"\r\n"):
        name, mark, value = line.partition(b":")
        if mark:
            headers[name.decode("ascii", "replace").strip()] = value.decode("utf-8", "replace").strip()
    return headers


def stamp_ns(text: str) -> int:
    """ns UTC of an RFC 3339 time with up to nine digits behind the second."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return from_iso(whole) + (int(rest.ljust(9, "0")[:9]) if rest else 0)
