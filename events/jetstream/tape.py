"""The tape on a JetStream stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from functools import partial

import structlog

from events import guards, retry
from events.clock import Clock, SystemClock
from events.errors import TapeShorter, TapeUnavailable, TooLarge
from events.jetstream import batch, streams, wire
from events.jetstream.link import Endpoint, Link
from events.jetstream.log import JetStreamLog
from events.jetstream.patience import Patience
from events.jetstream.reader import SILENCE_SECONDS_MAX, Reader, ReaderLost
from events.tailing import RunningTail
from events.tape import Append, Limits, Message, Page, Receive, TapeInfo

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
        self._copied = found.config.num_replicas > 1  # a consumer may read from a copy that lags behind the leader
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
            end = (await self._informed()).last
        at, patience = max(start, 1), self._patience()
        while at <= end:
            reader = Reader(self._link, self.stream, self.limits.prefetch_messages)
            try:
                await reader.open(at, subjects, endless=False)
                while messages := await reader.some(self.limits.read_seconds_max):
                    for message in messages:
                        if message.sequence > end:
                            return
                        if message.sequence < at:  # a copy that ends before `at` begins at its own end
                            continue
                        at = message.sequence + 1
                        patience.renew()
                        yield message
                if not await self._lagged(at, end, subjects):
                    return
                await patience.lose(ReaderLost("the copy that was read lags behind the leader"), at)
            except (ReaderLost, TapeUnavailable) as error:
                await patience.lose(error, at)
            finally:
                await reader.close()

    async def _lagged(self, at: int, end: int, subjects: tuple[str, ...]) -> bool:
        """Whether the leader has a message of the filter from `at` to `end`, where a copy showed no more."""
        if not self._copied or at > end:
            return False
        for subject in subjects or (f"{streams.ROOTS[self.stream]}.>",):
            found = await retry.read(self._log, partial(self._log.first_behind, subject, at - 1))
            if found is not None and found.sequence <= end:
                return True
        return False

    def _patience(self) -> Patience:
        return Patience(self._link, self._clock, self.stream, self.limits.read_seconds_max, copied=self._copied)

    async def _informed(self) -> TapeInfo:
        """The log's figures, asked again during an election."""
        patience = self._patience()
        while True:
            try:
                return await self.info()
            except TapeUnavailable as error:
                await patience.lose(error, 1)

    async def page(self, start: int, *, subjects: tuple[str, ...] = (), limit: int = 100) -> Page:
        """See `Tape.page`."""
        self._open(subjects)
        limit = max(1, min(limit, self.limits.page_messages_max))
        last = (await self._informed()).last
        patience = self._patience()
        while True:
            reader = Reader(self._link, self.stream, limit)
            try:
                await reader.open(start, subjects, endless=False)
                page, behind = await self._page_of(reader, start, limit, last)
                if page.next is not None or not await self._lagged(max(behind, start), last, subjects):
                    return page
                await patience.lose(ReaderLost("the copy that was read lags behind the leader"), behind)
            except (ReaderLost, TapeUnavailable) as error:
                await patience.lose(error, start)
            finally:
                await reader.close()

    async def _page_of(self, reader: Reader, start: int, limit: int, last: int) -> tuple[Page, int]:
        """A page, and the sequence from which on it says nothing."""
        found: list[Message] = []
        while len(found) < limit and (message := await reader.next(self.limits.read_seconds_max)) is not None:
            if message.sequence > last:
                return Page(found, None, last), last + 1
            if message.sequence >= start:
                found.append(message)
        behind = found[-1].sequence + 1 if found else 0
        more = found and reader.pending > 0 and behind <= last
        return Page(found, behind if more else None, last), behind

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
        try:
            await reader.open(max(start, 1), subjects, endless=True)
        except ReaderLost as error:
            raise TapeUnavailable(f"A tail of stream {self.stream} cannot begin: {error}.") from None
        tail = RunningTail(self._follow(reader, max(start, 1), subjects), receive, self._tails.discard)
        self._tails.add(tail)
        await asyncio.sleep(0)  # let it begin: one that is closed before that could not let go of its reader
        return tail

    async def _follow(self, reader: Reader, at: int, subjects: tuple[str, ...]) -> AsyncGenerator[list[Message], None]:
        try:
            while True:
                try:
                    while messages := await reader.some(SILENCE_SECONDS_MAX):
                        fresh = [message for message in messages if message.sequence >= at]
                        if fresh:
                            at = fresh[-1].sequence + 1
                            yield fresh
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
            except (ReaderLost, TapeUnavailable):
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
            self._link.server_version,
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
