"""Asking the views: a copy that is new enough, a child that is warm, and an end to every query."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import sys
from pathlib import Path
from typing import Any

import msgspec
import structlog

from events.clock import NS_PER_SECOND, Clock
from events.errors import InvalidInput, OperatingError, ReadModelUnavailable, TooMany
from projections.duckdb.store import DuckStore, remove
from projections.explorer import child
from projections.explorer.copies import Copy, copy_path, forget, publish
from projections.explorer.views import VIEWS

START_SECONDS_MAX = 20.0  # of a child, on a busy machine

NO_COPY = Copy(path=Path(child.EMPTY), sequence=0, epoch="")

log = structlog.get_logger(__name__)

_NAMES = {admin: [view.name for view in VIEWS if admin or not view.private] for admin in (False, True)}


class ExplorerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Named limits of the explorer."""

    text_max: int = 20_000  # characters of a statement
    seconds_max: float = 2.0  # waiting for a copy and a child, and running, together; then the child is ended
    copy_seconds_max: float = 10.0  # a copy made longer ago is not asked, when the tape has moved on
    renew_seconds: float = 4.0  # the next copy is begun behind a query of an older one
    children_max: int = 2  # queries at once
    waiting_max: int = 16
    queries_max: int = 500  # of one child
    rows_max: int = 1_000
    bytes_max: int = 1_048_576
    idle_seconds: float = 120.0  # then nothing is kept warm


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a query found, as of when."""

    columns: list[dict[str, str]]
    rows: list[msgspec.Raw]
    truncated: bool
    sequence: int = 0
    epoch: str = ""


class _Said(msgspec.Struct, frozen=True):
    """What a child answers."""

    columns: list[dict[str, str]] = []
    rows: list[msgspec.Raw] = []
    truncated: bool = False
    refused: str = ""
    code: str = ""


class Child:
    """A process that has a copy open."""

    def __init__(self, process: asyncio.subprocess.Process, copy: Copy) -> None:
        self.copy = copy
        self.asked = 0
        self._process = process

    @classmethod
    async def start(cls, copy: Copy) -> Child:
        """A child that has opened a copy. Raises EOFError or OSError (a TimeoutError too): it did not come up."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(Path(child.__file__)), str(copy.path)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
        started = cls(process, copy)
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                await started._heard()
        except BaseException:
            await started.end()
            raise
        return started

    async def ask(self, text: str, settings: ExplorerSettings, admin: bool, *, checks: bool = False) -> _Said:
        """What it says; where it only checks, whether it refuses. Raises EOFError or OSError where it died over it."""
        request: dict[str, Any] = {
            "sql": text.encode("utf-8", "replace").decode(),
            "views": _NAMES[admin],
            "checks": checks,
        }
        request |= {"rows_max": settings.rows_max, "bytes_max": settings.bytes_max}
        data = msgspec.json.encode(request)
        assert self._process.stdin is not None, "it is a pipe"
        self.asked += 1
        self._process.stdin.write(struct.pack(">I", len(data)) + data)
        return msgspec.json.decode(await self._heard(), type=_Said)

    async def _heard(self) -> bytes:
        assert self._process.stdout is not None, "it is a pipe"
        (size,) = struct.unpack(">I", await self._process.stdout.readexactly(4))
        return await self._process.stdout.readexactly(size)

    async def end(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


class Explorer:
    """The explorer of one process. Nothing is made or started before somebody asks."""

    def __init__(self, store: DuckStore, clock: Clock, settings: ExplorerSettings | None = None) -> None:
        self._store = store
        self._clock = clock
        self.settings = settings or ExplorerSettings()
        self._copy: Copy | None = None
        self._checked_ns = 0  # when the copy was last what there is
        self._copying: asyncio.Task[None] | None = None
        self._free = asyncio.Semaphore(self.settings.children_max)
        self._waiting = 0
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
        if self._waiting >= self.settings.waiting_max:
            raise TooMany(f"{self._waiting} queries run or wait already (waiting_max).", retry_after_s=1.0)
        self._waiting += 1
        self._rest_later()
        try:
            return await self._bounded(text, least, admin)
        finally:
            self._waiting -= 1

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
        asked = self._clock.now_ns()
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
            try:
                said = await one.ask(text, self.settings, admin, checks=True)
            except (EOFError, OSError):
                self._let_go(one)
                raise _too_large() from None
            except BaseException:
                self._let_go(one)
                raise
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
                said = await one.ask(text, self.settings, admin)
        except TimeoutError:
            if one is None:
                raise ReadModelUnavailable("The explorer is being made ready.", hint="Ask again shortly.") from None
            self._let_go(one)
            if late:
                message = "The copy of the views was made too late for the query to end in time."
                raise ReadModelUnavailable(message, hint="Ask again shortly.") from None
            message = f"The query was ended: it took more than {self.settings.seconds_max:g} s (seconds_max)."
            raise InvalidInput(message, code="QUERY_TOO_SLOW", field="query", hint="Ask for less at once.") from None
        except (EOFError, OSError):
            self._let_go(one)
            raise _too_large() from None
        except BaseException:
            self._let_go(one)
            raise
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
        )

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
        """Wait for a copy that is new enough; one that was made after the question is."""
        while not self._fits(least, asked):
            await asyncio.shield(self._renew())
        if self._age_s() > self.settings.renew_seconds:
            self._renew()

    def _fits(self, least: int, asked: int) -> bool:
        if self._copy is None or self._copy.sequence < least:
            return False
        return self._age_s(asked) <= self.settings.copy_seconds_max

    def _age_s(self, at: int | None = None) -> float:
        """How long ago the copy was made; no time at all while the tape has nothing new."""
        now = self._clock.now_ns()
        there = (self._store.checkpoint.epoch, self._store.visible)
        if self._copy is not None and (self._copy.epoch, self._copy.sequence) == there:
            self._checked_ns = now
        return ((now if at is None else at) - self._checked_ns) / NS_PER_SECOND

    def _renew(self) -> asyncio.Task[None]:
        """The copy that is on its way, begun where none is."""
        if self._copying is None:
            self._copying = asyncio.create_task(self._copied())
            self._copying.add_done_callback(_heard)
        return self._copying

    async def _copied(self) -> None:
        """Make the next copy, warm a child over it, and only then let it take the place of the one before."""
        before = self._copy
        path = copy_path(self._store, self._clock.new_id())
        try:
            if before is None:
                await asyncio.to_thread(forget, self._store)
            made = await asyncio.to_thread(publish, self._store, path, before)
            with contextlib.suppress(EOFError, OSError):  # the query that needs one says so
                self._warm.append(await Child.start(made))
        finally:
            self._copying = None
        # not since it was begun: one that takes longer than it is good for would never be asked
        self._copy, self._checked_ns = made, self._clock.now_ns()
        self._let_go_others()
        if before is not None:
            remove(before.path)  # who has it open keeps it
        if self._resting is None:
            self._rest()

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
        """End the children and delete the copy."""
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


def _refused(said: _Said) -> InvalidInput:
    return InvalidInput(said.refused, code=said.code, field="query") if said.code else _too_large()


def _too_large() -> InvalidInput:
    message = "The query was ended: it needs more memory than it may have."
    return InvalidInput(message, code="QUERY_TOO_LARGE", field="query", hint="Ask for less at once.")


def _heard(copying: asyncio.Task[None]) -> None:
    """A copy that nobody waits for may fail as well."""
    if not copying.cancelled() and (error := copying.exception()) is not None:
        log.warning("explorer_copy_not_made", error=str(error))
