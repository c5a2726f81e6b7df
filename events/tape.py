"""The tape as a protocol: one log, one order. `MemoryTape` and `JetStreamTape` pass one suite.

A `Sequence` is a place on the tape: the first is 1, 0 means before the first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Protocol

import msgspec

MESSAGE_ID = "Nats-Msg-Id"
CONTENT_TYPE = "Content-Type"
FACT_TYPE = "application/json"
FRAME_TYPE = "application/vnd.tapedeck.frame"


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named maxima of the tape."""

    body_bytes_max: int = 1_048_576
    headers_bytes_max: int = 8_192
    frame_bytes_max: int = 524_288  # market frames of an import
    frame_rows_max: int = 16_384
    linger_seconds: float = 0.0  # how long a lone frame waits for company
    batch_messages_max: int = 500
    page_messages_max: int = 1_000
    prefetch_messages: int = 1_000  # and no more than 32 MB of them, a tail 8 MB
    append_seconds_max: float = 5.0
    append_tries_max: int = 8
    read_seconds_max: float = 10.0


class Message(msgspec.Struct, frozen=True):
    """One message of the tape as it is read."""

    sequence: int
    subject: str
    headers: dict[str, str]
    body: bytes
    appended_ns: int  # the log's own clock, ns UTC


class Append(msgspec.Struct, frozen=True):
    """One message to append.

    `expected` fences: the append is refused with `FenceLost` unless it is the last sequence of any subject that
    `fence` matches (0: none yet). Without `expected` there is no fence.
    """

    subject: str
    body: bytes
    message_id: str
    headers: dict[str, str] = {}
    expected: int | None = None
    fence: str | None = None


class TapeInfo(msgspec.Struct, frozen=True):
    """What the log says of itself."""

    epoch: str
    first: int
    last: int
    messages: int
    size_bytes: int
    created_ns: int
    server: str = ""  # version of the server that keeps it; "": it is in memory


class Page(msgspec.Struct, frozen=True):
    """Messages of a filter from a sequence on; `next` is where the following page starts, None at the end."""

    messages: list[Message]
    next: int | None
    last: int  # last sequence of the whole tape when the page was read


Receive = Callable[[Message], Awaitable[None]]


class Tail(Protocol):
    """A running tail. An error in the reading or in the callback ends it and stays in `failed`."""

    failed: BaseException | None

    async def close(self) -> None:
        """Stop; no message is delivered after it returned."""
        ...

    async def ended(self) -> None:
        """Wait until it ended; raises what ended it, if anything did."""
        ...


class Tape(Protocol):
    """One log, one order."""

    limits: Limits

    async def append(self, message: Append) -> int:
        """Append and return the sequence; when it returned, the message is on disk.

        A lost answer is resolved by reading back and comparing message ids; an identical repeat of the last
        append is answered with its sequence, also long after.

        Raises:
            FenceLost: the fence is not at `expected` and the last message there is not this one.
            TooLarge: body or headers over the limits (nothing was sent).
            TapeUnavailable: the log did not answer within its bounds and nothing was stored so far.
            OutcomeUnknown: sent, and neither confirmed nor found within its bounds.
        """
        ...

    async def append_atomic(self, messages: list[Append]) -> list[int]:
        """Append all or none, one behind the other; the fence of the first is checked. Raises as `append`."""
        ...

    async def append_bulk(self, messages: Iterable[Append] | AsyncIterator[Append], window: int = 8) -> list[int]:
        """Append a source's frames in order with up to `window` unconfirmed, and verify that they stand in order.

        Only for a subject with this one writer (an import); each message carries its deterministic id; the first
        may carry a fence. Raises as `append`; what was confirmed before stays and is not repeated by a new try
        with the same ids.
        """
        ...

    def read(self, start: int = 1, *, subjects: tuple[str, ...] = (), end: int | None = None) -> AsyncIterator[Message]:
        """Messages from `start` to `end` (the tape's last sequence at the call if None), with prefetch.

        Ends when the last matching message was given; gaps of sequence come only from the filter.
        """
        ...

    async def page(self, start: int, *, subjects: tuple[str, ...] = (), limit: int = 100) -> Page:
        """Up to `limit` messages of the filter from `start` on."""
        ...

    async def get(self, sequence: int) -> Message | None:
        """The message at a sequence; None where there is none."""
        ...

    async def last(self, subject: str) -> Message | None:
        """The last message that the filter `subject` matches; None where there is none."""
        ...

    async def tail(self, start: int, receive: Receive, *, subjects: tuple[str, ...] = ()) -> Tail:
        """Call `receive` for every matching message from `start` on, in order, none twice, for ever.

        Reconnects by itself and goes on behind the last one delivered.
        """
        ...

    async def info(self) -> TapeInfo:
        """The log's own figures."""
        ...

    async def close(self) -> None:
        """Let go of the connection. Tails end."""
        ...


class Blobs(Protocol):
    """Named bytes beside the tape: snapshots, published read models."""

    async def put(self, name: str, data: bytes) -> None:
        """Store whole or not at all, replacing what had the name."""
        ...

    async def get(self, name: str) -> bytes | None:
        """The bytes, checked against their digest; None where there are none or they are damaged."""
        ...

    async def names(self, prefix: str = "") -> list[str]:
        """Names with the prefix, sorted."""
        ...

    async def delete(self, name: str) -> None:
        """Forget; nothing happens where there is none."""
        ...


class Keys(Protocol):
    """Small values with compare-and-set and a lifetime: liveness of engines, counters that protect."""

    async def put(self, key: str, value: bytes) -> int:
        """Store and return the revision."""
        ...

    async def get(self, key: str) -> tuple[bytes, int] | None:
        """Value and revision; None where there is none or its lifetime ended."""
        ...

    async def swap(self, key: str, value: bytes, revision: int) -> int | None:
        """Store if the revision is still this one (0: none yet); None where it is not."""
        ...

    async def delete(self, key: str) -> None:
        """Forget."""
        ...

    async def names(self, prefix: str) -> list[str]:
        """Keys that begin with `prefix` and a dot and have a value, sorted."""
        ...
