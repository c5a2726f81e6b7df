"""The machines that do jobs, as their workers tell; this one where no worker shows life."""

from __future__ import annotations

import asyncio

import msgspec

from api.processes.jobs import job_settings
from api.processes.machine import Machine, MachineState
from api.settings import Settings
from events.clock import NS_PER_SECOND, Clock
from events.tape import Keys

WORKERS = "worker"
WORKERS_MAX = 1_024  # asked for their state
FRESH_SECONDS = 1.0  # how long one answer serves all who ask: workers tell anew every two seconds


class Machines:
    """Asks the workers' signs of life."""

    def __init__(self, liveness: Keys, settings: Settings, clock: Clock) -> None:
        self._liveness = liveness
        self._settings = settings
        self._clock = clock
        self._asking = asyncio.Lock()
        self._found: list[MachineState] = []
        self._stale_ns = 0

    async def states(self) -> list[MachineState]:
        """One state a machine, the newest that a worker told. Raises TapeUnavailable."""
        async with self._asking:
            if self._clock.monotonic_ns() >= self._stale_ns or not self._found:
                self._found = await self._ask()
                self._stale_ns = self._clock.monotonic_ns() + round(FRESH_SECONDS * NS_PER_SECOND)
            return self._found

    async def _ask(self) -> list[MachineState]:
        found: dict[str, MachineState] = {}
        for key in (await self._liveness.names(WORKERS))[:WORKERS_MAX]:
            value = await self._liveness.get(key)
            state = _state(value[0]) if value else None
            if state and (state.machine not in found or state.at_ns > found[state.machine].at_ns):
                found[state.machine] = state
        if not found:
            own = Machine(job_settings(self._settings), self._clock, self._settings.folder)
            state = await asyncio.to_thread(own.state)
            found[state.machine] = state
        return [found[name] for name in sorted(found)]


def _state(body: bytes) -> MachineState | None:
    """What a worker told; None of one of another release."""
    try:
        return msgspec.json.decode(body, type=MachineState)
    except msgspec.MsgspecError:
        return None
