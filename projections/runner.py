"""Runs projections over a tail of the tape: batches, checkpoints, lag, waiting, rebuilding, halting."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import msgspec
import structlog

from events.clock import NS_PER_SECOND, Clock, SystemClock
from events.errors import OperatingError, ReadModelUnavailable, TapedeckError
from events.tape import Message, Tail, Tape
from projections.batch import Batch, Checkpoint, Decoded, check_follows, decode, wants
from projections.checkpoints import advanced, check, check_info
from projections.latency import Latency, Shown
from projections.projection import Projection
from projections.queue import MessageQueue

log = structlog.get_logger(__name__)

State = Literal["stopped", "catching_up", "ready", "halted"]
Call = Callable[..., Awaitable[Any]]
Progress = Callable[[int, int], None]


class RunnerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Named limits of a runner."""

    batch_messages_max: int = 20_000
    batch_bytes_max: int = 8_388_608
    linger_seconds: float = 0.02  # how long a lone event waits for company
    queue_messages_max: int = 40_000
    queue_bytes_max: int = 16_777_216
    refresh_seconds: float = 1.0  # how often an idle runner asks the tape how long it is
    poll_seconds: float = 0.05  # how often a waiting reader asks the same
    retry_pause_seconds: float = 0.5
    retry_seconds_max: float = 60.0  # a store that does not answer for so long halts the runner


class RunnerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """For health: where the projections are, and why they stand still if they do."""

    state: State
    checkpoints: dict[str, int]  # by projection: sequence of the last event applied
    visible: int  # reads are as of this sequence
    tape_last: int
    lag: int  # events of the whole tape behind `visible`
    lag_seconds: float  # age of the oldest event that is not applied, 0 when there is none
    events: int  # applied since the start
    batches: int
    retries: int
    left_out: int = 0  # rows that a store cannot hold
    error: str = ""
    error_code: str = ""
    halted_at: int | None = None  # the event that could not be read or applied


class ProjectionRunner:
    """Applies one tail of the tape to several projections, each at its own checkpoint.

    `call` runs a blocking function: in a thread by default, in place in a simulation. `shown` waits until reads show a
    sequence, where that is later than it is applied.
    """

    def __init__(
        self,
        tape: Tape,
        projections: Sequence[Projection],
        settings: RunnerSettings | None = None,
        *,
        clock: Clock | None = None,
        call: Call = asyncio.to_thread,
        shown: Shown | None = None,
    ) -> None:
        self._tape = tape
        self._projections = tuple(projections)
        self._settings = settings or RunnerSettings()
        self._clock = clock or SystemClock()
        self._call = call
        self._subjects = tuple(dict.fromkeys(one for each in projections for one in each.subjects))
        self._state: State = "stopped"
        self._error: BaseException | None = None
        self._halted_at: int | None = None
        self._checkpoint = self._visible = self._tape_last = self._target = 0
        self._epoch = ""
        self._events = self._batches = self._retries = 0
        self._pending_ns = 0  # append time of the oldest event taken and not applied; 0: none
        self._waiting_ns = 0  # append time of the oldest event that the tape had for us and we had not; 0: none
        self._tail: Tail | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._queue = MessageQueue(0, 0)
        self._progress = asyncio.Condition()
        self._over = asyncio.Event()
        self._refreshing = asyncio.Lock()
        self._working = asyncio.Lock()  # one blocking call of a projection at a time
        self._checkpoints: dict[str, int] = {}  # by projection, as known last
        self.latency = Latency("+".join(each.name for each in projections), self._clock, shown)

    # --- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Check every checkpoint against the tape and go on behind the lowest.

        Raises:
            TapeForeign, TapeShorter: the tape is not the one that was applied.
            TapeUnavailable: the tape does not answer.
        """
        for projection in self._projections:
            checkpoint = await self._call(projection.checkpoint)
            info = await check(projection.name, checkpoint, self._tape)
            if not checkpoint.epoch:
                await self._call(projection.begin, info.epoch)
            self._epoch, self._target, self._tape_last = info.epoch, info.last, info.last
        self._queue = MessageQueue(self._settings.queue_messages_max, self._settings.queue_bytes_max)
        self._visible = await self._look_up_checkpoints()
        self._state, self._error, self._halted_at = "catching_up", None, None
        self._over.clear()
        self._tail = await self._tape.tail(self._checkpoint + 1, self._queue.put, subjects=self._subjects)
        self._tasks = [
            asyncio.create_task(self._run(), name="projection batches"),
            asyncio.create_task(self._watch(self._tail), name="projection tail"),
            asyncio.create_task(self._keep_fresh(), name="projection lag"),
        ]
        log.info("projections_started", checkpoints=self._checkpoints, last=self._target)

    async def close(self) -> None:
        """Stop behind the batch that is being applied."""
        await self._stop()
        if self._state != "halted":
            self._state = "stopped"
        self._over.set()
        await self._notify()

    async def _stop(self) -> None:
        await self._queue.close()
        if self._tail is not None:
            await self._tail.close()
            self._tail = None
        await self.latency.close()
        tasks, self._tasks = self._tasks, []
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def ended(self) -> None:
        """Wait until it was closed or halted; raises what halted it."""
        await self._over.wait()
        if self._error is not None:
            raise self._error

    async def rebuild(self, progress: Progress | None = None) -> None:
        """Throw the projections away and replay the tape as it is now; returns when they have caught up with it.

        `progress(visible, last)` is called after each batch.

        Raises:
            ReadModelUnavailable: it halted on the way.
        """
        await self._stop()
        async with self._working:
            self._state, self._checkpoint, self._visible = "catching_up", 0, 0  # nothing is read meanwhile
            for projection in self._projections:
                await self._call(projection.reset)
            await self.start()
        last = self._target
        while self._visible < last:
            await self._advance(last)
            if progress is not None:
                progress(min(self._visible, last), last)

    # --- applying -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        limits = self._settings
        while True:
            messages = await self._queue.take(limits.batch_messages_max, limits.batch_bytes_max, limits.linger_seconds)
            if not messages:
                return
            try:
                await self._apply(messages)
            except Exception as error:  # whatever it is, what is behind it must not be applied
                await self._halt(error)
                return

    async def _apply(self, messages: list[Message]) -> None:
        began = self._clock.monotonic_ns()
        self._pending_ns = messages[0].appended_ns
        give_up = began + round(self._settings.retry_seconds_max * NS_PER_SECOND)
        while True:
            try:
                async with self._working:
                    self._checkpoints |= await self._call(self._apply_all, messages)
                break
            except OperatingError as error:
                if self._clock.monotonic_ns() >= give_up:
                    raise
                self._retries += 1
                log.warning("projection_waits", sequence=messages[0].sequence, error=str(error), code=error.code)
                await self._clock.sleep(self._settings.retry_pause_seconds)
        if self._state == "ready":  # what was there before has waited for the process
            self.latency.applied(messages)
        self._events += len(messages)
        self._batches += 1
        self._checkpoint = messages[-1].sequence
        self._visible = max(self._visible, self._checkpoint)
        self._tape_last = max(self._tape_last, self._checkpoint)
        self._pending_ns = self._waiting_ns = 0
        self._note_ready()
        await self._notify()
        elapsed_ms = (self._clock.monotonic_ns() - began) / 1e6
        log.debug("batch_applied", sequence=self._checkpoint, events=len(messages), elapsed_ms=round(elapsed_ms, 3))

    def _apply_all(self, messages: list[Message]) -> dict[str, int]:
        """Decode once, apply to each; the checkpoints then. Runs off the event loop."""
        decoded = decode(messages)
        for projection in self._projections:
            self._apply_one(projection, decoded, messages)
        if decoded.failure is not None:
            raise decoded.failure
        return {projection.name: projection.checkpoint().sequence for projection in self._projections}

    def _apply_one(self, projection: Projection, decoded: Decoded, messages: list[Message]) -> None:
        checkpoint = projection.checkpoint()
        all_ours = set(projection.subjects) == set(self._subjects)
        places = [
            at
            for at, event in enumerate(decoded.events)
            if event.sequence > checkpoint.sequence and (all_ours or wants(projection.subjects, event.subject))
        ]
        if not places:
            return
        events = [decoded.events[at] for at in places]
        batch = Batch(checkpoint.sequence, events, advanced(checkpoint, messages[places[-1]]), decoded.decisions)
        check_follows(projection.name, checkpoint.sequence, batch)
        projection.apply(batch)

    async def _halt(self, error: BaseException) -> None:
        if self._state == "halted":
            return
        self._state, self._error = "halted", error
        self._halted_at = getattr(error, "sequence", 0) or None
        with contextlib.suppress(Exception):  # why it halted is what counts
            await self._look_up_checkpoints()
        log.error(
            "projections_halted",
            sequence=self._halted_at,
            checkpoints=self._checkpoints,
            error=str(error),
            kind=type(error).__name__,
        )
        await self._queue.close()
        if self._tail is not None:
            await self._tail.close()
        self._over.set()
        await self._notify()

    async def _watch(self, tail: Tail) -> None:
        try:
            await tail.ended()
        except Exception as error:
            await self._halt(error)

    # --- how far --------------------------------------------------------------------------------------------------

    async def _look_up_checkpoints(self) -> int:
        for projection in self._projections:
            self._checkpoints[projection.name] = (await self._call(projection.checkpoint)).sequence
        self._checkpoint = min(self._checkpoints.values(), default=0)
        return self._checkpoint

    async def refresh(self) -> None:
        """Ask the tape how long it is, and whether anything of our subjects lies behind what is applied.

        Raises:
            TapeForeign, TapeShorter: it is another tape than at the start, or a shorter one.
            TapeUnavailable: it does not answer.
        """
        async with self._refreshing:
            checkpoint = self._checkpoint
            info = await self._tape.info()
            for name, sequence in self._checkpoints.items():
                check_info(name, Checkpoint(self._epoch, sequence), info)
            self._tape_last = max(info.last, self._checkpoint)
            if self._visible >= info.last or len(self._queue) or self._pending_ns:
                return
            page = await self._tape.page(checkpoint + 1, subjects=self._subjects, limit=1)
            seen = page.messages[0].sequence - 1 if page.messages else info.last
            self._waiting_ns = page.messages[0].appended_ns if page.messages else 0
            async with self._working:
                if seen <= self._visible or self._checkpoint < checkpoint:  # it is rebuilt
                    return
                for projection in self._projections:
                    await self._call(projection.seen, seen)
                self._visible = seen
                self._note_ready()
        await self._notify()

    async def _keep_fresh(self) -> None:
        while True:
            try:
                await self.refresh()
            except OperatingError as error:
                log.warning("projection_lag_unknown", error=str(error), code=error.code)
            except TapedeckError as error:
                await self._halt(error)
                return
            except Exception:
                log.exception("projection_lag_unknown")
            await self._clock.sleep(self._settings.refresh_seconds)

    def _note_ready(self) -> None:
        if self._state == "catching_up" and self._visible >= self._target:
            self._state = "ready"

    async def _notify(self) -> None:
        async with self._progress:
            self._progress.notify_all()

    async def wait_until(self, sequence: int, timeout_seconds: float) -> int:
        """Wait until reads show everything up to `sequence`; returns the visible sequence.

        Raises:
            ReadModelUnavailable: not within the bound, or halted.
            TapeUnavailable: the tape does not say where it ends.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                while self._visible < sequence:
                    await self._advance(sequence)
        except TimeoutError:
            raise ReadModelUnavailable(
                f"The read model shows sequence {self._visible}; {sequence} did not come within {timeout_seconds:g} s.",
                hint="Ask again later, or without a minimum.",
            ) from None
        return self._visible

    async def _advance(self, sequence: int) -> None:
        """Wait for one step forward, or find by asking that there is nothing to wait for."""
        self._check_alive()
        await self.refresh()
        if self._visible >= sequence:
            return
        async with self._progress:
            before = self._visible
            try:
                async with asyncio.timeout(self._settings.poll_seconds):
                    await self._progress.wait_for(lambda: self._visible > before or self._state == "halted")
            except TimeoutError:
                return

    def _check_alive(self) -> None:
        if self._state == "halted":
            raise ReadModelUnavailable(
                f"The read model halted behind sequence {self._checkpoint}: {self._error}",
                code="READ_MODEL_HALTED",
                hint="Its health says at which event; rebuild it with a release that can read it.",
            )
        if self._state == "stopped":
            raise ReadModelUnavailable("The read model is not running.")

    @property
    def ready(self) -> bool:
        """Whether it has caught up once with the tape of its start."""
        return self._state == "ready"

    def status(self) -> RunnerStatus:
        """Where everything is, as known without asking the tape."""
        oldest_ns = self._pending_ns or self._waiting_ns
        lag_ns = max(0, self._clock.now_ns() - oldest_ns) if oldest_ns else 0
        error = self._error
        return RunnerStatus(
            state=self._state,
            checkpoints=dict(self._checkpoints),
            visible=self._visible,
            tape_last=self._tape_last,
            lag=max(0, self._tape_last - self._visible),
            lag_seconds=lag_ns / NS_PER_SECOND,
            events=self._events,
            batches=self._batches,
            retries=self._retries,
            left_out=sum(projection.left_out for projection in self._projections),
            error="" if error is None else str(error),
            error_code="" if error is None else getattr(error, "code", type(error).__name__),
            halted_at=self._halted_at,
        )
