"""Verification on request: a session is decided again away from the event loop, bounded in number and time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import structlog

from api.services.commands import Commands
from engine.recordings.reading import RecordingReader
from engine.research.verify import Progress, Verdict, verify
from engine.sessions.decider import Decider
from events.clock import NS_PER_SECOND, Clock
from events.errors import LimitReached, OperatingError, TapedeckError
from events.facts import NoteVerification, SessionSpec
from events.tape import Tape

log = structlog.get_logger(__name__)

RUNNING_MAX = 2
SECONDS_MAX = 120.0
KEPT_MAX = 1_000

# (session, progress) -> what a replay of it found
Verify = Callable[[str, Progress], Coroutine[Any, Any, Verdict]]
Note = Callable[[Verdict], Coroutine[Any, Any, None]]  # keeps what was found on the tape
# a tape and a reader of one's own, for one verification
Open = Callable[[], AbstractAsyncContextManager[tuple[Tape, RecordingReader]]]


class VerifySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named limits of verifications."""

    running_max: int = RUNNING_MAX
    seconds_max: float = SECONDS_MAX


class TooLong(OperatingError):
    """A verification took longer than its bound."""

    code = "VERIFICATION_TOO_LONG"


class Verifications:
    """Runs verifications and remembers what they found, for reports."""

    def __init__(self, verify: Verify, note: Note, clock: Clock, settings: VerifySettings | None = None) -> None:
        self._verify = verify
        self._note = note
        self._noting: set[asyncio.Task[None]] = set()
        self._clock = clock
        self.settings = settings or VerifySettings()
        self._running = 0
        self._found: OrderedDict[str, Verdict] = OrderedDict()

    def found(self, session: str) -> Verdict | None:
        """What the last verification of a session found, if this process still knows."""
        return self._found.get(session)

    async def run(self, session: str) -> Verdict:
        """Decide a session again and compare.

        Raises:
            Unknown, Conflict: see `verify`.
            LimitReached: `running_max` of them run already.
            TooLong: it took more than `seconds_max`.
        """
        if self._running >= self.settings.running_max:
            raise LimitReached(
                f"{self._running} verifications run already (running_max).", hint="Ask again when one has ended."
            )
        deadline = self._clock.monotonic_ns() + round(self.settings.seconds_max * NS_PER_SECOND)

        def progress(done: int, total: int) -> None:
            if self._clock.monotonic_ns() > deadline:
                raise TooLong(
                    f"After {self.settings.seconds_max:g} s {done} of {total} inputs were decided again.",
                    hint="Run `tapedeck verify` on this session; it has no bound.",
                )

        self._running += 1
        running = asyncio.ensure_future(self._verify(session, progress))
        running.add_done_callback(self._ended)
        verdict = await asyncio.shield(running)  # a thread goes on when its request has gone
        known = self._found.get(session)
        self._found[session] = verdict
        while len(self._found) > KEPT_MAX:
            self._found.popitem(last=False)
        if verdict != known:  # what was found again is kept already
            noting = asyncio.create_task(self._keep(verdict))
            self._noting.add(noting)
            noting.add_done_callback(self._noting.discard)
        return verdict

    async def _keep(self, verdict: Verdict) -> None:
        """Beside the answer: what was found holds, whether or not an engine is there to write it down."""
        try:
            await self._note(verdict)
        except TapedeckError as error:
            log.warning("verification_not_kept", session=verdict.session, error=str(error))
        except Exception:
            log.exception("verification_not_kept", session=verdict.session)

    async def close(self) -> None:
        """Give up what is not kept yet."""
        for noting in self._noting:
            noting.cancel()

    def _ended(self, running: asyncio.Future[Verdict]) -> None:
        self._running -= 1
        if not running.cancelled():
            running.exception()  # seen, also where nobody waits any more


def note_by(commands: Commands, clock: Clock) -> Note:
    """Keep what was found as a fact of the session, by command; under other code nothing was found."""

    async def note(verdict: Verdict) -> None:
        if verdict.equal is not None:
            await commands.send(note_of(verdict, f"verified:{clock.new_id()}", "api"))

    return note


def note_of(verdict: Verdict, key: str, user: str) -> NoteVerification:
    """The command that keeps a verdict."""
    assert verdict.equal is not None, "asked before"
    return NoteVerification(
        key=key,
        user=user,
        session=verdict.session,
        equal=verdict.equal,
        decision_hash=verdict.decision_hash,
        rows=verdict.rows,
        detail=verdict.detail[:2_000],
    )


def in_place(tape: Tape, reader: RecordingReader, make_decider: Callable[[SessionSpec], Decider]) -> Verify:
    """Verify in this event loop: for tapes in memory, which belong to it."""

    async def run(session: str, progress: Progress) -> Verdict:
        return await verify(tape, reader, make_decider, session, progress)

    return run


def in_thread(open_tape: Open, make_decider: Callable[[SessionSpec], Decider]) -> Verify:
    """Verify in a thread with an event loop and a tape of its own, so that requests are served meanwhile."""

    async def work(session: str, progress: Progress) -> Verdict:
        async with open_tape() as (tape, reader):
            return await verify(tape, reader, make_decider, session, progress)

    async def run(session: str, progress: Progress) -> Verdict:
        return await asyncio.to_thread(lambda: asyncio.run(work(session, progress)))

    return run
