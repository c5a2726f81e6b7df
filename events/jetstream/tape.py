"""The tape on a JetStream stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable

import structlog

from events import guards, retry
from events.clock import Clock, SystemClock
from events.errors import TapeShorter, TapeUnavailable, TooLarge
from events.jetstream import batch, streams, wire
from events.jetstream.link import Endpoint, Link
from events.jetstream.log import JetStreamLog
from events.jetstream.reader import SILENCE_SECONDS_MAX, Reader, ReaderLost
from events.tailing import RunningTail
from events.tape import Append, Limits, Message, Page, Receive, TapeInfo

LOST_MAX = 5  # readers lost one after the other, without a message between, before a bounded reading gives up
TAIL_PAUSE_SECONDS_MAX = 1.0

_logger = structlog.get_logger(__name__)


class JetStreamTape:
    """One stream of a NATS server as a tape. The link is the caller's: several tapes may share one."""

    def __init__(self, link: Link, found: streams.StreamInfo, limits: Limits, clock: Clock) -> None:
        self.limits = limits
        self.epoch = found.epoch
        self.stream = found.config.name
        self._link = link
        self._log = JetStreamLog(link, self.stream, limits, clock, found.config.duplicate_window / streams.NS)
        self._clock = clock
        self._tails: set[RunningTail] = set()
        self._closed = False
        self._owns_link = False

    @classmethod
    async def connect(
        cls, endpoint: Endpoint, *, epoch: str | None = None, limits: Limits | None = None, clock: Clock | None = None
    ) -> JetStreamTape:
        """The tape at an endpoint, on a connection of its own that `close` closes. Raises as `Link.open`, `open`."""
        link = await Link.open(endpoint)
        try:
            tape = await cls.open(link, epoch=epoch, limits=limits, clock=clock)
        except BaseException:
            await link.close()
            raise
        tape._owns_link = True
        return tape

    @classmethod
    async def open(
        cls,
        link: Link,
        *,
        stream: str = streams.TAPE_STREAM,
        epoch: str | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
    ) -> JetStreamTape:
        """The tape of a stream that exists, on a link that the caller closes; no stream is ever made here.

        Raises:
            TapeMissing: there is no such stream, or the server cannot open its files.
            TapeForeign: its epoch is not `epoch`.
            TapeUnavailable: the server does not answer.
        """
        found = await streams.info(link, stream)
        streams.check_epoch(found, epoch)
        return cls(link, found, limits or Limits(), clock or SystemClock())

    # --- appending ------------------------------------------------------------------------------------------------

    async def append(self, message: Append) -> int:
        """See `Tape.append`."""
        self._open()
        guards.check(message, self.limits)
        return await retry.append(self._log, message)

    async def append_atomic(self, messages: list[Append]) -> list[int]:
        """See `Tape.append_atomic`."""
        self._open()
        if not messages:
            return []
        if len(messages) > self.limits.batch_messages_max:
            raise TooLarge(
                f"A batch has {len(messages)} messages; batch_messages_max is {self.limits.batch_messages_max}."
            )
        for message in messages:
            guards.check(message, self.limits)
        return await retry.append_atomic(self._log, messages)

    async def append_bulk(self, messages: Iterable[Append] | AsyncIterator[Append], window: int = 8) -> list[int]:
        """See `Tape.append_bulk`."""
        self._open()
        return await batch.append_bulk(self._log, messages, window)

    # --- reading --------------------------------------------------------------------------------------------------

    async def read(
        self, start: int = 1, *, subjects: tuple[str, ...] = (), end: int | None = None
    ) -> AsyncIterator[Message]:
        """See `Tape.read`."""
        self._open(subjects)
        if end is None:
            end = (await self.info()).last
        at, lost = max(start, 1), 0
        while at <= end:
            reader = Reader(self._link, self.stream, self.limits.prefetch_messages)
            try:
                await reader.open(at, subjects, endless=False)
                while (message := await reader.next(self.limits.read_seconds_max)) is not None:
                    if message.sequence > end:
                        return
                    at, lost = message.sequence + 1, 0
                    yield message
                return
            except ReaderLost as error:
                lost += 1
                await self._lost(error, at, lost)
            finally:
                await reader.close()

    async def _lost(self, error: ReaderLost, at: int, lost: int) -> None:
        _logger.info("tape_reader_lost", stream=self.stream, sequence=at, lost=lost, reason=str(error))
        if lost > LOST_MAX or not await self._link.ready(self.limits.read_seconds_max):
            raise TapeUnavailable(
                f"Reading stream {self.stream} stopped before sequence {at}: {error}.",
                hint="See that the tape's server runs; if it does, run `tapedeck doctor`.",
            )

    async def page(self, start: int, *, subjects: tuple[str, ...] = (), limit: int = 100) -> Page:
        """See `Tape.page`."""
        self._open(subjects)
        limit = max(1, min(limit, self.limits.page_messages_max))
        last = (await self.info()).last
        reader = Reader(self._link, self.stream, limit)
        found: list[Message] = []
        try:
            await reader.open(start, subjects, endless=False)
            while len(found) < limit and (message := await reader.next(self.limits.read_seconds_max)) is not None:
                if message.sequence > last:
                    return Page(found, None, last)
                found.append(message)
        except ReaderLost as error:
            raise TapeUnavailable(f"A page of stream {self.stream} cannot be read: {error}.") from None
        finally:
            await reader.close()
        more = found and reader.pending > 0 and found[-1].sequence < last
        return Page(found, found[-1].sequence + 1 if more else None, last)

    async def get(self, sequence: int) -> Message | None:
        """See `Tape.get`."""
        self._open()
        if sequence < 1:
            return None
        return await retry.read(self._log, lambda: self._log.exact(sequence))

    async def last(self, subject: str) -> Message | None:
        """See `Tape.last`."""
        self._open((subject,))
        return await retry.read(self._log, lambda: self._log.newest(subject))

    async def tail(self, start: int, receive: Receive, *, subjects: tuple[str, ...] = ()) -> RunningTail:
        """See `Tape.tail`."""
        self._open(subjects)
        reader = Reader(self._link, self.stream, self.limits.prefetch_messages)
        await reader.open(max(start, 1), subjects, endless=True)
        tail = RunningTail(self._follow(reader, max(start, 1), subjects), receive, self._tails.discard)
        self._tails.add(tail)
        await asyncio.sleep(0)  # let it begin: one that is closed before that could not let go of its reader
        return tail

    async def _follow(self, reader: Reader, at: int, subjects: tuple[str, ...]) -> AsyncGenerator[Message, None]:
        try:
            while True:
                try:
                    while (message := await reader.next(SILENCE_SECONDS_MAX)) is not None:
                        if message.sequence >= at:
                            at = message.sequence + 1
                            yield message
                except ReaderLost as error:
                    _logger.info("tape_tail_lost", stream=self.stream, sequence=at, reason=str(error))
                await reader.close()
                reader = await self._reopened(at, subjects)
        finally:
            await reader.close()

    async def _reopened(self, at: int, subjects: tuple[str, ...]) -> Reader:
        """A new reader, however long the server is away; refuses a stream that is not the one it was."""
        pause = retry.PAUSE_FIRST_SECONDS
        while True:
            await self._link.ready(self.limits.read_seconds_max)
            try:
                found = await streams.info(self._link, self.stream)
                streams.check_epoch(found, self.epoch)
                if found.state.last_seq + 1 < at:
                    raise shorter(self.stream, found.state.last_seq, at - 1, "a tail has read")
                reader = Reader(self._link, self.stream, self.limits.prefetch_messages)
                await reader.open(at, subjects, endless=True)
                return reader
            except TapeUnavailable:
                await self._clock.sleep(pause)
                pause = min(pause * 2, TAIL_PAUSE_SECONDS_MAX)

    # --- the whole ------------------------------------------------------------------------------------------------

    async def info(self) -> TapeInfo:
        """See `Tape.info`."""
        self._open()
        found = await streams.info(self._link, self.stream)
        state = found.state
        return TapeInfo(
            found.epoch,
            state.first_seq if state.messages else 0,
            state.last_seq,
            state.messages,
            state.bytes,
            wire.stamp_ns(found.created),
        )

    async def close(self) -> None:
        """See `Tape.close`. A link that was given stays open: whoever opened it closes it."""
        self._closed = True
        for tail in list(self._tails):
            await tail.close()
        if self._owns_link:
            await self._link.close()

    def _open(self, subjects: tuple[str, ...] = ()) -> None:
        if self._closed:
            raise TapeUnavailable("The tape is closed.")
        for subject in subjects:
            guards.check_filter(subject)


def shorter(stream: str, last: int, known: int, who: str) -> TapeShorter:
    """The stream ends before a sequence that somebody knows."""
    return TapeShorter(
        f"Stream {stream} ends at sequence {last}, but {who} it up to {known}: {known - last} messages are gone.",
        sequence=last + 1,
        hint="Stop, keep the server's folder as it is, and restore it from a copy; `tapedeck doctor` tells more.",
    )
