"""A tape in memory: the same rules as the real one, for tests and the seeded simulation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence

from events import guards, retry
from events.clock import NS_PER_SECOND, Clock, SystemClock
from events.errors import TapeUnavailable, TooLarge
from events.faults import Faults
from events.iteration import bulk, first, wanted
from events.retry import NotSent, Stale, Stored
from events.subjects import matches
from events.tailing import RunningTail
from events.tape import MESSAGE_ID, Append, Limits, Message, Page, Receive, TapeInfo


class _Store:
    """The messages, kept apart from the tape so that a second connection can share them."""

    def __init__(self, clock: Clock, epoch: str) -> None:
        self.epoch = epoch
        self.created_ns = clock.now_ns()
        self.messages: list[Message] = []
        self.ids: dict[str, tuple[int, int]] = {}  # message id -> sequence, monotonic ns
        self.last_of: dict[str, int] = {}  # subject -> its last sequence
        self.grown = asyncio.Event()

    def last(self, subject: str) -> int:
        """Last sequence of the filter; 0 where there is none."""
        if "*" not in subject and ">" not in subject:
            return self.last_of.get(subject, 0)
        return max((sequence for name, sequence in self.last_of.items() if matches(subject, name)), default=0)

    def add(self, message: Append, clock: Clock) -> int:
        sequence = len(self.messages) + 1
        headers = {**message.headers, MESSAGE_ID: message.message_id}
        now_ns = max(clock.now_ns(), self.messages[-1].appended_ns if self.messages else 0)
        self.messages.append(Message(sequence, message.subject, headers, bytes(message.body), now_ns))
        self.ids[message.message_id] = (sequence, clock.monotonic_ns())
        self.last_of[message.subject] = sequence
        grown, self.grown = self.grown, asyncio.Event()
        grown.set()
        return sequence


class MemoryTape:
    """One log in memory. `share()` gives another connection to the same log; closing one leaves the others."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        limits: Limits | None = None,
        faults: Faults | None = None,
        epoch: str | None = None,
        duplicate_seconds: float = 120.0,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.limits = limits or Limits()
        self.faults = faults
        self.duplicate_seconds = duplicate_seconds
        self._store = _Store(self.clock, epoch or self.clock.new_id())
        self._tails: dict[RunningTail, None] = {}
        self._closed = False

    def share(self, *, faults: Faults | None = None) -> MemoryTape:
        """Another connection to the same log, with faults of its own."""
        other = MemoryTape(
            clock=self.clock, limits=self.limits, faults=faults, duplicate_seconds=self.duplicate_seconds
        )
        other._store = self._store
        return other

    # --- appending ------------------------------------------------------------------------------------------------

    async def append(self, message: Append) -> int:
        """See `Tape.append`."""
        self._check([message])
        return await retry.append(self, message)

    async def append_atomic(self, messages: list[Append]) -> list[int]:
        """See `Tape.append_atomic`."""
        if not messages:
            return []
        self._check(messages)
        return await retry.append_atomic(self, messages)

    async def append_bulk(self, messages: Iterable[Append] | AsyncIterator[Append], window: int = 8) -> list[int]:
        """See `Tape.append_bulk`; here each message waits for the one before it."""
        self._open()
        sequences: list[int] = []
        last: int | None = None
        async for message in bulk(messages, self.limits):
            if last is None:
                last = message.expected if message.expected is not None else self._store.last(message.subject)
            fenced = Append(message.subject, message.body, message.message_id, message.headers, last)
            sequences.append(await self.append(fenced))
            last = max(last, sequences[-1])
        return sequences

    def _check(self, messages: list[Append]) -> None:
        self._open()
        if len(messages) > self.limits.batch_messages_max:
            raise TooLarge(
                f"A batch has {len(messages)} messages; batch_messages_max is {self.limits.batch_messages_max}."
            )
        for message in messages:
            guards.check(message, self.limits)

    # --- one try each (retry.Log) ---------------------------------------------------------------------------------

    async def store(self, message: Append) -> Stored:
        """One try to append."""
        return await self.store_batch([message])

    async def store_batch(self, messages: list[Append]) -> Stored:
        """One try to append all or none."""
        lost = await self.faults.before_store(self.clock) if self.faults else False
        if self._closed:
            raise NotSent("the tape is closed")
        stored = self._store_now(messages)
        await asyncio.sleep(0)
        if lost:
            raise retry.NoAnswer("answer lost by a simulated fault")
        return stored

    def _store_now(self, messages: list[Append]) -> Stored:
        first = messages[0]
        if first.expected is not None:
            actual = self._store.last(first.fence or first.subject)
            if actual != first.expected:
                raise Stale(actual)
        known = [sequence for message in messages if (sequence := self._known(message.message_id))]
        if known and len(messages) > 1:
            raise Stale(None)
        if known:
            return Stored(known[0], duplicate=True)
        return Stored([self._store.add(message, self.clock) for message in messages][-1])

    def _known(self, message_id: str) -> int:
        sequence, when_ns = self._store.ids.get(message_id, (0, 0))
        fresh = self.clock.monotonic_ns() - when_ns <= self.duplicate_seconds * NS_PER_SECOND
        return sequence if fresh else 0

    async def first_behind(self, subject: str, sequence: int) -> Message | None:
        """The first message of the filter behind a sequence."""
        await self._read_fault()
        messages = self._store.messages
        places = (at for at in range(sequence, len(messages)) if matches(subject, messages[at].subject))
        at = next(places, None)
        return None if at is None else messages[at]

    async def newest(self, subject: str) -> Message | None:
        """The last message of the filter."""
        await self._read_fault()
        sequence = self._store.last(subject)
        return self._store.messages[sequence - 1] if sequence else None

    async def exact(self, sequence: int) -> Message | None:
        """The message at a sequence."""
        await self._read_fault()
        return self._at(sequence)

    async def _read_fault(self) -> None:
        if self.faults:
            await self.faults.before_read()

    # --- reading --------------------------------------------------------------------------------------------------

    async def read(
        self, start: int = 1, *, subjects: tuple[str, ...] = (), end: int | None = None
    ) -> AsyncIterator[Message]:
        """See `Tape.read`."""
        self._open()
        self._check_filters(subjects)
        last = len(self._store.messages)
        end = last if end is None else min(end, last)
        for at in range(max(start, 1), end + 1):
            message = self._store.messages[at - 1]
            if wanted(message.subject, subjects):
                await asyncio.sleep(0)
                yield message

    async def page(self, start: int, *, subjects: tuple[str, ...] = (), limit: int = 100) -> Page:
        """See `Tape.page`."""
        limit = max(1, min(limit, self.limits.page_messages_max))
        found = await first(self.read(start, subjects=subjects), limit + 1)
        following = found[limit - 1].sequence + 1 if len(found) > limit else None
        return Page(found[:limit], following, len(self._store.messages))

    async def get(self, sequence: int) -> Message | None:
        """See `Tape.get`."""
        self._open()
        return self._at(sequence)

    async def last(self, subject: str) -> Message | None:
        """See `Tape.last`."""
        self._open()
        guards.check_filter(subject)
        return self._at(self._store.last(subject))

    async def tail(self, start: int, receive: Receive, *, subjects: tuple[str, ...] = ()) -> RunningTail:
        """See `Tape.tail`."""
        self._open()
        self._check_filters(subjects)
        tail = RunningTail(self._follow(max(start, 1), subjects), receive, self._tails.pop)
        self._tails[tail] = None
        return tail

    async def _follow(self, at: int, subjects: tuple[str, ...]) -> AsyncGenerator[list[Message], None]:
        while True:
            grown = self._store.grown
            if at > len(self._store.messages):
                await grown.wait()
                continue
            message = self._store.messages[at - 1]
            at += 1
            if wanted(message.subject, subjects):
                if self.faults:
                    await self.faults.before_delivery(self.clock)
                yield [message]
            await asyncio.sleep(0)

    async def info(self) -> TapeInfo:
        """See `Tape.info`."""
        self._open()
        messages = self._store.messages
        size = sum(len(message.body) for message in messages)
        return TapeInfo(
            self._store.epoch, 1 if messages else 0, len(messages), len(messages), size, self._store.created_ns
        )

    async def close(self) -> None:
        """See `Tape.close`."""
        self._closed = True
        for tail in list(self._tails):
            await tail.close()

    def _at(self, sequence: int) -> Message | None:
        return self._store.messages[sequence - 1] if 1 <= sequence <= len(self._store.messages) else None

    def _open(self) -> None:
        if self._closed:
            raise TapeUnavailable("The tape is closed.")

    @staticmethod
    def _check_filters(subjects: Sequence[str]) -> None:
        for subject in subjects:
            guards.check_filter(subject)
