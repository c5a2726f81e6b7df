"""Starting a session and waiting for its end by what stands on the tape; Ctrl-C stops it there too."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from api.cli.opened import Opened
from api.cli.telling import Progress, note
from engine.sessions import history as histories
from engine.sessions.history import History
from engine.sessions.source_bars import check_bars
from events import codec, subjects
from events.clock import Clock, iso
from events.decisions import CAUSE
from events.errors import OperatingError, TapedeckError
from events.facts import (
    ChangeCode,
    CommandAccepted,
    SessionEnded,
    SessionFailed,
    SessionSpec,
    StartSession,
    StopSession,
)
from events.tape import Message

USER = "admin"
STOP_SECONDS_MAX = 10.0  # for an orderly stop after Ctrl-C


class SessionBroke(OperatingError):
    """A session stopped by itself; what it decided before stands."""

    code = "SESSION_FAILED"


def session_name(clock: Clock, prefix: str = "exec") -> str:
    """Such as exec_20251118_150123_xyz789."""
    stamp = iso(clock.now_ns())[:19].replace("-", "").replace(":", "").replace("T", "_")
    return f"{prefix}_{stamp}_{clock.new_id()[-6:]}"


async def start(tools: Opened, spec: SessionSpec, key: str = "") -> tuple[CommandAccepted, int]:
    """Start a planned session; the answer and its sequence.

    Raises:
        InvalidInput: its strategies cannot decide on the bars that it reads. Else as `Commands.send`.
    """
    await check_bars(tools.connection.tape, spec, tools.lookups.library())
    made = f"cli:{key}" if key else f"cli:{spec.session}"
    return await tools.commands.send(StartSession(key=made, user=USER, spec=spec))


async def stop(tools: Opened, session: str, close_positions: bool | None = None) -> bool:
    """Stop a session; whether that changed anything. Raises as `Commands.send`."""
    key = f"cli:{tools.clock.new_id()}"
    accepted, _ = await tools.commands.send(
        StopSession(key=key, user=USER, session=session, close_positions=close_positions)
    )
    return accepted.changed


async def go_on(tools: Opened, session: str, code_hash: str) -> bool:
    """Let a suspended session go on under the code that was found. Raises as `Commands.send`."""
    command = ChangeCode(key=f"cli:{tools.clock.new_id()}", user=USER, session=session, code_hash=code_hash)
    return (await tools.commands.send(command))[0].changed


def tell_compiling(tools: Opened, spec: SessionSpec) -> None:
    """Say so where the session's loop was not compiled ahead: its start takes seconds more, once."""
    from engine.loop.decision_loop import is_compiled_for

    names = tuple(sorted({one.strategy for one in spec.strategies}))
    if not is_compiled_for(names, tools.registry, any(one.timeframe for one in spec.strategies)):
        note("compiling the decision loop first, once for this code; `tapedeck warm-up` does it ahead of time")


async def run_to_end(tools: Opened, spec: SessionSpec, bar: Progress) -> History:
    """Start a session, wait for its end, and give its whole history.

    Raises:
        InvalidInput, Unknown, Conflict, LimitReached: it was refused.
        SessionBroke: it failed.
    """
    async with stopped_with_us(tools, spec.session):
        _, sequence = await start(tools, spec)
        await until_over(tools, spec, sequence, bar)
    return await histories.read(tools.connection.tape, spec.session)


@asynccontextmanager
async def stopped_with_us(tools: Opened, session: str) -> AsyncIterator[None]:
    """When the verb is cancelled inside, the session is stopped: nothing goes on behind the user's back."""
    try:
        yield
    except asyncio.CancelledError:
        with contextlib.suppress(TapedeckError, TimeoutError):
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await stop(tools, session)
                spec = (await histories.find(tools.connection.tape, session))[0].spec
                await until_over(tools, spec, 0, lambda done, total: None)
        raise


async def until_over(tools: Opened, spec: SessionSpec, after: int, bar: Progress) -> SessionEnded:
    """Wait until a session is over, by its facts behind a sequence.

    Raises:
        SessionBroke: it failed.
        OperatingError: the tape does not answer.
    """
    over: asyncio.Future[SessionEnded | SessionFailed] = asyncio.get_running_loop().create_future()
    share = _Share(spec, bar)

    async def receive(message: Message) -> None:
        if codec.is_frame(message.body):
            share.note(message)
            return
        fact = codec.decode(message.body, message.sequence)
        if isinstance(fact, SessionEnded | SessionFailed) and not over.done():
            over.set_result(fact)

    fence = subjects.session_fence(spec.session, research=spec.research)
    tail = await tools.connection.tape.tail(after + 1, receive, subjects=(fence,))
    ending = asyncio.ensure_future(tail.ended())
    try:
        waits: list[asyncio.Future[Any]] = [over, ending]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not over.done():
            ending.result()
        fact = await over
    finally:
        ending.cancel()
        await tail.close()
    if isinstance(fact, SessionFailed):
        raise SessionBroke(f"Session {spec.session} failed: {fact.message}", hint=f"Code {fact.code}.")
    return fact


class _Share:
    """How much of a recording a session has read, by the places that its decisions name; in parts per thousand."""

    def __init__(self, spec: SessionSpec, bar: Progress) -> None:
        self._first, self._last = spec.input.first, spec.input.last
        self._bar = bar

    def note(self, message: Message) -> None:
        """One decision message."""
        if self._first is None or self._last is None:
            return
        cause = int(message.headers.get(CAUSE, "0.0").partition(".")[0])
        length = max(1, self._last.sequence - self._first.sequence)
        self._bar(max(0, min(1000, 1000 * (cause - self._first.sequence) // length)), 1000)
