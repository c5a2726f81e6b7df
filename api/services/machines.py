"""The machines that do jobs, as their workers tell; this one where no worker shows life."""

from __future__ import annotations

import asyncio

import msgspec

from api.house import House
from api.processes.jobs import job_settings
from api.processes.machine import Machine, MachineState

WORKERS = "worker"
WORKERS_MAX = 1_024  # asked for their state


async def machines(house: House) -> list[MachineState]:
    """One state a machine, the newest that a worker told. Raises TapeUnavailable."""
    found: dict[str, MachineState] = {}
    for key in (await house.liveness.names(WORKERS))[:WORKERS_MAX]:
        value = await house.liveness.get(key)
        state = _state(value[0]) if value else None
        if state and (state.machine not in found or state.at_ns > found[state.machine].at_ns):
            found[state.machine] = state
    if not found:
        own = Machine(job_settings(house.settings), house.clock, house.settings.folder)
        state = await asyncio.to_thread(own.state)
        found[state.machine] = state
    return [found[name] for name in sorted(found)]


def _state(body: bytes) -> MachineState | None:
    """What a worker told; None of one of another release."""
    try:
        return msgspec.json.decode(body, type=MachineState)
    except msgspec.MsgspecError:
        return None
