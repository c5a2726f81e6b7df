"""Asking the views: a copy that is new enough, a child that is warm, and an end to every query."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import msgspec
import structlog

from events.clock import NS_PER_SECOND, Clock
from events.errors import InvalidInput, OperatingError, ReadModelUnavailable, TooMany
from projections.duckdb.store import DuckStore, remove
from projections.explorer import child
from projections.explorer.copies import Copy, copy_path, forget, publish
from projections.explorer.process import Child, Said
from projections.explorer.settings import ExplorerSettings

NO_COPY = Copy(path=Path(child.EMPTY), sequence=0, epoch="")

log = structlog.get_logger(__name__)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a query found, as of when."""

    columns: list[dict[str, str]]
    rows: list[msgspec.Raw]
    truncated: bool
    sequence: int
    epoch: str
    age_s: float  # for how long there may have been more than the copy shows; 0 where there is not


class Explorer:
    """The explorer of one process. Nothing is made or started before somebody asks."""

    def __init__(self, store: DuckStore, clock: Clock, settings: ExplorerSettings | None = None) -> None:
        self._store = store
        self._clock = clock
        self.settings = settings or ExplorerSettings()
        self._copy: Copy | None = None
        self._copying: asyncio.Task[None] | None = None
        self._follows = False  # the copy that is being made was begun as soon as the one before was there
        self._asked_ns = 0  # when somebody asked last
        self._free = asyncio.Semaphore(self.settings.children_max)
        self._waiting = 0
        self._idle = asyncio.Event()  # nobody waits
        self._idle.set()
        self._closed = False
        self._warm: list[Child] = []
        self._warming: asyncio.Task[bool] | None = None
        self._checker: Child | None = None  # over no copy
        self._checking = asyncio.Lock()
        self._resting: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, text: str, least: int = 0, *, admin: bool = False) -> Found:
        """What one SELECT finds in views that show at least sequence `least`; an admin asks all of them.

        Raises:
            InvalidInput: it is no SELECT on the views alone, fails, takes too long or too much memory.
            TooMany: too many queries wait, or none of them ended in time.
            ReadModelUnavailable: the copy was not made, or no child started, in time; it goes on being made.
        """
        if len(text) > self.settings.text_max:
            raise InvalidInput(
                f"query has {len(text)} characters; text_max is {self.settings.text_max}.", field="query"
            )
        if self._closed:
            raise ReadModelUnavailable("The explorer is closed.")
        if self._waiting >= self.settings.waiting_max:
            raise TooMany(f"{self._waiting} queries run or wait already (waiting_max).", retry_after_s=1.0)
        self._waiting += 1
        self._idle.clear()
        self._rest_later()
        try:
            return await self._bounded(text, least, admin)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._idle.set()

    async def _bounded(self, text: str, least: int, admin: bool) -> Found:
        time = asyncio.get_running_loop().time
        ends = time() + self.settings.seconds_max
        await self._ready(text, least, ends, admin)
        late = ends - time() < self.settings.seconds_max / 2
        try:
            async with asyncio.timeout_at(ends):
                await self._free.acquire()
        except TimeoutError:
            raise TooMany("Every child is busy with another query (children_max).", retry_after_s=1.0) from None
        try:
            return await self._asked(text, ends, admin, late)
        finally:
            self._free.release()
            self._warm_up()

    async def _ready(self, text: str, least: int, ends: float, admin: bool) -> None:
        """Wait for a copy that is new enough; what is refused by its text alone is not kept waiting for one."""
        self._follows &= self._somebody_asks()
        asked = self._asked_ns = self._clock.monotonic_ns()
        try:
            async with asyncio.timeout_at(ends):
                if not self._fits(least, asked):
                    self._renew()
                    await self._check(text, admin)
                await self._current(least, asked)
        except TimeoutError:
            raise ReadModelUnavailable("The copy of the views is being made.", hint="Ask again shortly.") from None

    async def _check(self, text: str, admin: bool) -> None:
        """Raises InvalidInput: it is no SELECT on the views alone, or cannot be read."""
        async with self._checking:
            one, self._checker = self._checker, None
            try:
                one = one or await Child.start(NO_COPY)
            except (EOFError, OSError) as error:  # whoever asks the copy checks again
                log.warning("explorer_checker_not_started", error=str(error))
                return
            said = await self._said(one, text, admin, checks=True)
            if one.asked < self.settings.queries_max:
                self._checker = one
            else:
                self._let_go(one)
        if said.refused:
            raise _refused(said)

    async def _asked(self, text: str, ends: float, admin: bool, late: bool) -> Found:
        one: Child | None = None
        try:
            async with asyncio.timeout_at(ends):
                one = await self._taken()
                said = await self._said(one, text, admin)
        except TimeoutError:
            if one is None:
                raise ReadModelUnavailable("The explorer is being made ready.", hint="Ask again shortly.") from None
            if late:
                message = "The copy of the views was made too late for the query to end in time."
                raise ReadModelUnavailable(message, hint="Ask again shortly.") from None
            message = f"The query was ended: it took more than {self.settings.seconds_max:g} s (seconds_max)."
            raise InvalidInput(message, code="QUERY_TOO_SLOW", field="query", hint="Ask for less at once.") from None
        if one.asked >= self.settings.queries_max or one.copy is not self._copy or (said.refused and not said.code):
            self._let_go(one)
        else:
            self._warm.append(one)
        if said.refused:
            raise _refused(said)
        return Found(
            columns=said.columns,
            rows=said.rows,
            truncated=said.truncated,
            sequence=one.copy.sequence,
            epoch=one.copy.epoch,
            age_s=self._age_s(one.copy),
        )

    async def _said(self, one: Child, text: str, admin: bool, *, checks: bool = False) -> Said:
        """What a child says. One that breaks over it, or that is not waited for any more, is ended."""
        try:
            return await one.ask(text, self.settings, admin, checks=checks)
        except BaseException as error:
            self._let_go(one)
            if isinstance(error, (EOFError, OSError)):
                raise _too_large() from None
            raise

    # --- children -------------------------------------------------------------------------------------------------

    async def _taken(self) -> Child:
        """A child that has the copy open. One that is on its way goes on when whoever waits for it gives up."""
        while True:
            self._let_go_others()
            if self._warm:
                return self._warm.pop()
            copy = self._copy
            assert copy is not None, "a query waits, so the copy is kept"
            if self._warming is None:
                self._warming = asyncio.create_task(self._warmed(copy))
            if not await asyncio.shield(self._warming) and copy is self._copy:
                raise ReadModelUnavailable("A child of the explorer did not start.")

    def _warm_up(self) -> None:
        if not self._warm and self._warming is None and self._copy is not None and self._resting is not None:
            self._warming = asyncio.create_task(self._warmed(self._copy))

    async def _warmed(self, copy: Copy) -> bool:
        try:
            self._warm.append(await Child.start(copy))
        except (EOFError, OSError) as error:
            log.warning("explorer_child_not_started", error=str(error))
            return False
        finally:
            self._warming = None
        return True

    def _let_go(self, one: Child | None) -> None:
        if one is not None:
            task = asyncio.create_task(one.end())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    # --- copies ---------------------------------------------------------------------------------------------------

    async def _current(self, least: int, asked: int) -> None:
        """Wait for a copy that is new enough, and begin the next in time."""
        while not self._fits(least, asked):
            await asyncio.shield(self._renew())
        assert self._copy is not None, "it fits"
        if self._is_due(self._copy):
            self._renew()

    def _is_due(self, copy: Copy) -> bool:
        """Whether the next is begun, so that it is there in time."""
        twice = 2 * copy.took_ns / NS_PER_SECOND  # it may take longer than the last
        return self._age_s(copy) > max(0.0, min(self.settings.renew_seconds, self._old_s - twice))

    @property
    def _old_s(self) -> float:
        """Age of a copy past which an answer, which may take `seconds_max`, could be older than it may be."""
        return max(0.0, self.settings.copy_seconds_max - self.settings.seconds_max)

    def _fits(self, least: int, asked: int) -> bool:
        """Whether the copy is new enough, or none newer can be had: each is begun as soon as the last is there."""
        if self._copy is None or self._copy.sequence < least:
            return False
        return self._age_s(self._copy, asked) <= self._old_s or (self._follows and self._copying is not None)

    def _age_s(self, copy: Copy, at: int | None = None) -> float:
        """For how long there may have been more than a copy shows: since its making was begun, or since it was last
        seen to show all there is.
        """
        now = self._clock.monotonic_ns()
        if (copy.epoch, copy.sequence) == (self._store.checkpoint.epoch, self._store.visible):
            copy.current_ns = now
        return ((now if at is None else at) - copy.current_ns) / NS_PER_SECOND

    def _somebody_asks(self) -> bool:
        return self._clock.monotonic_ns() - self._asked_ns <= self.settings.copy_seconds_max * NS_PER_SECOND

    def _renew(self, *, follows: bool = False) -> asyncio.Task[None]:
        """The copy that is on its way, begun where none is."""
        if self._copying is None:
            self._follows = follows
            self._copying = asyncio.create_task(self._copied())
            self._copying.add_done_callback(_heard)
        return self._copying

    async def _copied(self) -> None:
        """Make the next copy, warm a child over it, and only then let it take the place of the one before."""
        before, began = self._copy, self._clock.monotonic_ns()
        path = copy_path(self._store, self._clock.new_id())
        try:
            if before is None:
                await asyncio.to_thread(forget, self._store)
            made = await asyncio.to_thread(publish, self._store, path, before)
            made.current_ns = began
            with contextlib.suppress(EOFError, OSError):  # the query that needs one says so
                self._warm.append(await Child.start(made))
        finally:
            self._copying = None
        made.took_ns = self._clock.monotonic_ns() - began
        self._copy = made
        self._let_go_others()
        if before is not None:
            remove(before.path)  # who has it open keeps it
        if self._resting is None:
            self._rest()
        elif self._somebody_asks() and self._is_due(made):
            self._renew(follows=True)

    def _let_go_others(self) -> None:
        """End children of earlier copies that nobody asks."""
        for one in [one for one in self._warm if one.copy is not self._copy]:
            self._warm.remove(one)
            self._let_go(one)

    # --- life -----------------------------------------------------------------------------------------------------

    def _rest_later(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        self._resting = asyncio.get_running_loop().call_later(self.settings.idle_seconds, self._rest)

    def _rest(self) -> None:
        """Keep nothing: nobody has asked for a while."""
        self._resting = None
        for one in self._warm:
            self._let_go(one)
        self._warm.clear()
        if not self._checking.locked():
            self._let_go(self._checker)
            self._checker = None
        if self._copy is not None and not self._waiting and self._copying is None:
            remove(self._copy.path)
            self._copy = None

    async def close(self) -> None:
        """End the children and delete the copy, behind the queries that run: `seconds_max` at most, and a copy."""
        self._closed = True
        await self._idle.wait()
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        if self._warming is not None:
            await self._warming
        if self._copying is not None:
            with contextlib.suppress(OperatingError, OSError):
                await self._copying
        self._rest()
        await asyncio.gather(*self._tasks)


def _refused(said: Said) -> InvalidInput:
    return InvalidInput(said.refused, code=said.code, field="query") if said.code else _too_large()


def _too_large() -> InvalidInput:
    message = "The query was ended: it needs more memory than it may have."
    return InvalidInput(message, code="QUERY_TOO_LARGE", field="query", hint="Ask for less at once.")


def _heard(copying: asyncio.Task[None]) -> None:
    """A copy that nobody waits for may fail as well."""
    if not copying.cancelled() and (error := copying.exception()) is not None:
        log.warning("explorer_copy_not_made", error=str(error))
