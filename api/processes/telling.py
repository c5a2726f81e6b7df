"""How a process of a house runs until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any


async def until_told(work: Coroutine[Any, Any, Any] | asyncio.Future[Any]) -> None:
    """Until SIGTERM or SIGINT, or until the work ends by itself; raises what ended it."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    waiting = asyncio.create_task(told.wait())
    working = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({waiting, working}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if working in done:
        working.result()
    else:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await working
