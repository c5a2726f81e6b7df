"""Reading by an ephemeral pull consumer: bounded prefetch, gaps noticed, one place for replay, pages and tails."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from events.errors import InvalidInput, TapeMissing, TapeUnavailable
from events.jetstream import streams, wire
from events.jetstream.deliveries import Delivery
from events.jetstream.link import Link
from events.jetstream.streams import ApiRefused, api
from events.retry import NoAnswer, NotSent
from events.tape import Message

EXPIRES_SECONDS = 5.0  # of one question: then the server says that there is nothing
SILENCE_SECONDS_MAX = 8.0  # without a message or that word: the consumer is lost
OPEN_SECONDS_MAX = 5.0
INACTIVE_SECONDS = 60.0  # after which the server forgets a consumer nobody asks
PREFETCH_BYTES_MAX = 33_554_432
TAIL_BYTES_MAX = 8_388_608  # the same of a tail: a process has many of them, for as long as it lives
PREFETCH_FIRST = 64  # messages asked for before their size is known
TAKEN_SHARE = 8  # of the window, that is handed on at once: what was handed on is not counted as asked for any more
_SIZES_WEIGHED = 16  # messages whose size makes the average
_DELIVERED = b"$JS.ACK"
_QUESTION_ENDED = ("Batch Completed", "Message Size Exceeds MaxBytes")
_FILTERS_REFUSED = (10136, 10137, 10138, 10139)


class ReaderLost(Exception):
    """The consumer is gone or skipped something: make another behind the last message."""


class _Created(msgspec.Struct):
    num_pending: int = 0


_CREATED = msgspec.json.Decoder(_Created)


class Reader:
    """Messages of a stream from a sequence on, in order; asks for more while the buffer is less than half full."""

    def __init__(self, link: Link, stream: str, prefetch: int) -> None:
        self.pending = 0  # messages of the filter on the stream that were not delivered yet
        self._link, self._stream, self._prefetch = link, stream, prefetch
        self._window = min(prefetch, PREFETCH_FIRST)  # messages asked for and not taken, at most
        self._bytes_max = PREFETCH_BYTES_MAX
        self._size = PREFETCH_BYTES_MAX / PREFETCH_FIRST  # bytes of a message, a running average
        self._name = ""
        self._inbox = ""
        self._end: Callable[[], Awaitable[None]] | None = None
        self._buffer: deque[Delivery] = deque()
        self._arrived = asyncio.Event()
        self._asked = 0  # messages asked for and not arrived
        self._delivered = 0
        self._endless = False
        self._lost = False
        self._forget: Callable[[], None] = lambda: None

    async def open(self, start: int, subjects: tuple[str, ...], *, endless: bool) -> None:
        """Make the consumer; `endless` keeps questions open for messages that are still to come.

        Raises:
            TapeUnavailable, TapeMissing, InvalidInput.
            ReaderLost: the line broke between the consumer and its first question.
        """
        self._endless = endless
        if endless:
            self._bytes_max = min(PREFETCH_BYTES_MAX, TAIL_BYTES_MAX)
        if not self._link.connected:
            await self._link.ready(OPEN_SECONDS_MAX)
        self._forget = self._link.when_lost(self._lose)
        try:
            self._inbox, self._end = await self._link.listen(self._receive)
            self._name = self._inbox.rpartition(".")[2]
            question = {"stream_name": self._stream, "config": self._config(start, subjects)}
            answer = await api(self._link, f"CONSUMER.CREATE.{self._stream}.{self._name}", question)
        except (NotSent, NoAnswer) as error:
            await self.close()
            raise TapeUnavailable(f"Reading stream {self._stream} cannot begin: {error}.") from None
        except ApiRefused as refused:
            await self.close()
            raise _refusal(self._stream, refused) from None
        self.pending = _CREATED.decode(answer).num_pending
        try:
            await self._ask()
        except ReaderLost:
            await self.close()
            raise

    def _config(self, start: int, subjects: tuple[str, ...]) -> dict[str, object]:
        config: dict[str, object] = {
            "name": self._name,
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": max(start, 1),
            "mem_storage": True,
            "num_replicas": 1,
            "max_waiting": 8,
            "inactive_threshold": round(INACTIVE_SECONDS * streams.NS),
        }
        filters = uncovered(subjects)
        if len(filters) == 1:
            config["filter_subject"] = filters[0]
        elif filters:
            config["filter_subjects"] = list(filters)
        return config

    async def next(self, seconds: float) -> Message | None:
        """The next message; None where the server says that there is none now. Raises as `some`."""
        found = await self.some(seconds, 1)
        return found[0] if found else None

    async def some(self, seconds: float, most: int | None = None) -> list[Message]:
        """The next messages, those that are here already up to `most`; none where the server says that there are none.

        Raises:
            ReaderLost: silence for longer than `seconds`, or a message was skipped. Where messages are pending, words
                of the server without one are silence too: a damaged stream counts messages that it cannot give.
        """
        clock, until = asyncio.get_running_loop().time, 0.0
        while True:
            while not self._buffer:
                if not self._endless and self.pending <= 0:
                    return []
                if self._endless or not until:
                    until = clock() + seconds
                await self._wait(until, seconds)
            if found := self._take(min(most or self._window, max(1, self._window // TAKEN_SHARE))):
                if self._asked <= self._window // 2:
                    await self._ask()
                return found
            _, _, headers, _ = self._buffer.popleft()
            await self._status(wire.status(headers))

    async def _wait(self, until: float, seconds: float) -> None:
        if self._lost:
            raise ReaderLost("the connection broke")
        self._arrived.clear()
        try:
            async with asyncio.timeout_at(until):
                await self._arrived.wait()
        except TimeoutError:
            raise ReaderLost(f"nothing was heard for {seconds:g} s") from None

    def _take(self, most: int) -> list[Message]:
        """Messages from the buffer, up to a word of the server that is none."""
        found: list[Message] = []
        while len(found) < most and self._buffer and self._buffer[0][1].startswith(_DELIVERED):
            subject, reply, headers, body = self._buffer.popleft()
            place = wire.place(reply)
            self._delivered += 1
            if place.delivered != self._delivered:
                raise ReaderLost(f"delivery {place.delivered} came where {self._delivered} was due")
            self.pending = place.pending
            self._size += (len(body) - self._size) / _SIZES_WEIGHED
            found.append(Message(place.sequence, subject.decode(), wire.visible(headers), body, place.appended_ns))
        self._asked -= len(found)
        self._window = max(1, min(self._prefetch, int(self._bytes_max / (self._size + 1))))
        return found

    async def _status(self, said: wire.Status) -> None:
        """An answer without a message: a sign of life, an ended question, or a lost consumer."""
        if said.code == "100":
            return
        if said.code == "408" or said.text in _QUESTION_ENDED:
            self._asked = max(self._asked - (self._asked if said.pending is None else said.pending), 0)
            await self._ask()
            return
        raise ReaderLost(f"{said.code} {said.text}")

    async def _ask(self) -> None:
        wanted = self._window - self._asked
        if not self._endless:
            wanted = min(wanted, self.pending - self._asked)
        if wanted <= 0:
            return
        question = {
            "batch": wanted,
            "max_bytes": self._bytes_max,
            "expires": round(EXPIRES_SECONDS * streams.NS),  # no heartbeat: it costs a millisecond a message
        }
        self._asked += wanted
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}"
        try:
            await self._link.send(subject, msgspec.json.encode(question), reply=self._inbox)
        except NotSent as error:
            raise ReaderLost(str(error)) from None

    def _lose(self) -> None:
        self._lost = True
        self._arrived.set()

    def _receive(self, arrived: Delivery) -> None:
        self._buffer.append(arrived)
        self._arrived.set()

    async def close(self) -> None:
        """Let the server forget the consumer; where it does not answer, it forgets by itself."""
        self._forget()
        if self._end is None:
            return
        end, self._end = self._end, None
        await end()
        with contextlib.suppress(NotSent, NoAnswer, ApiRefused):
            await self._link.send(f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._name}")


def uncovered(subjects: tuple[str, ...]) -> tuple[str, ...]:
    """The filters without those that another one covers: the server refuses filters that overlap."""
    unique = tuple(dict.fromkeys(subjects))
    return tuple(each for each in unique if not any(covers(other, each) for other in unique if other != each))


def covers(wide: str, narrow: str) -> bool:
    """Whether every subject that the filter `narrow` matches is matched by `wide`."""
    outer, inner = wide.split("."), narrow.split(".")
    for at, token in enumerate(outer):
        if token == ">":
            return len(inner) > at
        if at >= len(inner) or inner[at] == ">" or token not in ("*", inner[at]):
            return False
    return len(outer) == len(inner)


def _refusal(stream: str, refused: ApiRefused) -> TapeMissing | TapeUnavailable | InvalidInput:
    if refused.error.err_code == streams.STREAM_NOT_FOUND:
        return streams.missing(stream)
    if refused.error.err_code in _FILTERS_REFUSED:
        return InvalidInput(f"The filters overlap: {refused}.", field="subjects")
    return TapeUnavailable(f"Reading stream {stream} cannot begin: {refused}.")
