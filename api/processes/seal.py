"""The process that seals the tape and the vault of a data folder."""

from __future__ import annotations

from contextlib import AsyncExitStack

import structlog

from api.processes.allocator import lean
from api.processes.signs import State, shown
from api.processes.telling import until_told
from api.sealing import Sealing
from api.settings import Settings
from events.clock import SystemClock
from events.jetstream.keys import JetStreamKeys
from events.jetstream.streams import LIVENESS

log = structlog.get_logger(__name__)

BEHIND_MAX = 10_000  # messages not sealed; beyond it is said to be slow


async def seal(settings: Settings, name: str = "") -> None:
    """Go on from the last point of both seals, once what follows it was compared.

    Raises:
        TapeDamaged, TapeShorter, TapeForeign, TapeRefused: what is there is not what was sealed.
        Conflict: another process seals this folder.
    """
    lean()
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        sealing = await Sealing.open(settings, clock)
        stack.push_async_callback(sealing.close)
        report = await sealing.check(deep=False)
        await sealing.start()
        keys = await JetStreamKeys.open(sealing.link, LIVENESS, clock=clock)

        async def state() -> State:
            behind = await sealing.behind()
            return State(status="behind" if behind > BEHIND_MAX else "ok", sequence=sealing.sealed, lag=behind)

        await stack.enter_async_context(shown(keys, clock, "seal", name, state))
        log.info("sealing", sequence=report.sequence, last=report.last)
        await until_told(sealing.ended())
