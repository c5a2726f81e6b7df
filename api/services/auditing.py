"""Writes who did what to the tape: gathered for a second, the same once with its count, at most so many a minute.

What is over the bound is counted and told with the next that is written. Nobody waits for it, and what is still
gathered when the process dies is lost: refusals and logins have no answer that promises it.
"""

from __future__ import annotations

import asyncio

import structlog

from api.lasting import lasting
from events import codec, subjects
from events.clock import NS_PER_SECOND, Clock
from events.errors import TapedeckError
from events.facts.audit import Action, ActionAudited
from events.tape import Tape

log = structlog.get_logger(__name__)

GATHER_SECONDS = 1.0
GATHERED_MAX = 200  # different ones in a second
TEXT_MAX = 200
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# what changes keys, configuration or processes leaves no command with an address; trading commands name their user
AUDITED = ("/api/keys", "/api/config", "/api/v1/config", "/api/components", "/api/system")

Entry = tuple[Action, str, str, str, int]  # action, user, what, address, status


class Auditing:
    """What one API process audits."""

    def __init__(self, tape: Tape, clock: Clock, per_minute: int) -> None:
        self._tape = tape
        self._clock = clock
        self._per_minute = per_minute
        self._gathered: dict[Entry, int] = {}
        self._left_out = 0
        self._minute = 0
        self._written = 0
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(lasting("audit", self._run))

    async def close(self) -> None:
        """Write what is gathered and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._write()

    def note(self, action: Action, user: str, what: str, address: str, status: int = 0) -> None:
        """Somebody did something."""
        if not self._per_minute:
            return
        entry = (action, user[:TEXT_MAX], what[:TEXT_MAX], address[:TEXT_MAX], status)
        if entry not in self._gathered and len(self._gathered) >= GATHERED_MAX:
            self._left_out += 1
            return
        self._gathered[entry] = self._gathered.get(entry, 0) + 1
        self._woken.set()

    def note_request(self, method: str, path: str, user: str, address: str, status: int) -> None:
        """A request was answered: refusals are audited, and changes of what is secret or runs the house."""
        if status in (401, 403):
            self.note("access_refused", user, f"{method} {path}", address, status)
        elif method in WRITES and 200 <= status < 300 and path.startswith(AUDITED):
            self.note("request", user, f"{method} {path}", address, status)

    async def _run(self) -> None:
        while True:
            await self._woken.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._woken.clear()
            await self._write()

    async def _write(self) -> None:
        gathered, self._gathered = self._gathered, {}
        for entry, count in gathered.items():
            if not self._may():
                self._left_out += count
                continue
            action, user, what, address, status = entry
            fact = ActionAudited(
                action=action,
                user=user,
                what=what,
                address=address,
                status=status,
                count=count,
                left_out=self._left_out,
            )
            try:
                await self._tape.append(codec.to_append(fact, subjects.AUDIT, f"audit:{self._clock.new_id()}"))
                self._left_out = 0
            except TapedeckError as error:
                self._left_out += count
                log.warning("audit_was_not_written", error=str(error), left_out=self._left_out)
            except Exception:  # of this one: the others are written
                self._left_out += count
                log.exception("audit_was_not_written", action=action, left_out=self._left_out)

    def _may(self) -> bool:
        """Count one that is written."""
        minute = self._clock.now_ns() // (60 * NS_PER_SECOND)
        if minute != self._minute:
            self._minute, self._written = minute, 0
        self._written += 1
        return self._written <= self._per_minute
