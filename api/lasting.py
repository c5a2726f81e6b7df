"""What goes on whatever happens in it: an error that nobody foresaw is logged by name, and the next is looked at.

For work that stands alone (it tells, tidies, looks). What folds the tape must not go on over a hole: it ends, and
health says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from events import codec
from events.errors import TapedeckError, Undecodable
from events.tape import Message, Receive

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 1.0  # before work that broke off is begun again


async def lasting(name: str, run: Callable[[], Awaitable[None]], pause_seconds: float = PAUSE_SECONDS) -> None:
    """Run; what breaks off is begun again after a pause. Returns when `run` does."""
    while True:
        try:
            await run()
            return
        except Exception:
            log.exception("work_broke_off", name=name)
        await asyncio.sleep(pause_seconds)


def forgiving(name: str, receive: Receive, left_out: Callable[[], None] = lambda: None) -> Receive:
    """A callback of a tail which leaves out what it cannot take, after a line in the log; then `left_out` is called."""

    async def take(message: Message) -> None:
        try:
            await receive(message)
        except Exception as error:
            foreseen = isinstance(error, TapedeckError)  # the others are our bugs: with the place that raised them
            (log.warning if foreseen else log.exception)(
                "message_left_out",
                name=name,
                fact=kind_of(message),
                sequence=message.sequence,
                subject=message.subject,
                error=str(error),
                kind=type(error).__name__,
            )
            left_out()

    return take


def kind_of(message: Message) -> str:
    """The type of its fact; `frame`, or `undecodable`, where it is none."""
    if codec.is_frame(message.body):
        return "frame"
    try:
        return type(codec.decode(message.body, message.sequence)).__name__
    except Undecodable:
        return "undecodable"
