"""What JetStream puts around a message, taken off: headers of its own, the place in a reply subject, time stamps."""

from __future__ import annotations

import base64
import functools
import re
from typing import NamedTuple

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
_ID = f"{MESSAGE_ID}:"
_NAMES_KEPT_MAX = 256
_PENDING = re.compile(r"^Nats-Pending-Messages: *(\d+)", re.MULTILINE)


class Place(NamedTuple):
    """Where a delivered message stands: on the stream and in its consumer."""

    sequence: int
    delivered: int  # 1, 2, 3 ... of this consumer
    appended_ns: int
    pending: int  # messages of the filter behind this one


def place(reply: bytes) -> Place:
    """From `$JS.ACK.<stream>.<consumer>.<tries>.<sequence>.<delivered>.<ns>.<pending>`, the old form or the long."""
    parts = reply.split(b".")
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


def visible(block: bytes) -> dict[str, str]:
    """Name to value of a header block, without what the log added or used up. Names that are no tokens are left out."""
    headers = {}
    for line in block.decode("utf-8", "replace").split("\r\n"):
        if not line.startswith(_OWN) or line.startswith(_ID):
            name, mark, value = line.partition(":")
            if mark:
                headers[name] = value.strip()
    return headers if _are_tokens("".join(headers)) else {name: headers[name] for name in headers if _are_tokens(name)}


@functools.lru_cache(_NAMES_KEPT_MAX)  # the same few sets of names come again and again
def _are_tokens(names: str) -> bool:
    return names.isascii() and names.isprintable() and " " not in names


class Status(NamedTuple):
    """What the server says in place of a message."""

    code: str
    text: str
    pending: int | None  # messages that a question asked for and did not get


def status(block: bytes) -> Status:
    """From a header block that begins `NATS/1.0 <code> <text>`."""
    first, _, rest = block.decode("utf-8", "replace").partition("\r\n")
    _, code, text = [*first.split(" ", 2), "", ""][:3]
    found = _PENDING.search(rest)
    return Status(code, text, int(found[1]) if found else None)


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
        visible(base64.b64decode(raw.hdrs)),
        base64.b64decode(raw.data),
        stamp_ns(raw.time),
    )


def stamp_ns(text: str) -> int:
    """ns UTC of an RFC 3339 time with up to nine digits behind the second."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return from_iso(whole) + (int(rest.ljust(9, "0")[:9]) if rest else 0)
