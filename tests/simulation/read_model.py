"""The projector of a world: it dies and goes on while the session trades."""

from __future__ import annotations

import asyncio
from pathlib import Path

from projections.duckdb.read_model import DuckReadModel
from projections.runner import ProjectionRunner, RunnerSettings
from tests.engine.sessions.memory_house import MemoryHouse

SETTINGS = RunnerSettings(linger_seconds=0.2)  # few batches: a file of DuckDB takes most of a world's time


class Follower:
    """Applies the tape to one file, in several lives."""

    def __init__(self, house: MemoryHouse, path: Path) -> None:
        self._house = house
        self.path = path
        self._over = asyncio.Event()

    async def stop(self) -> None:
        """The world is over: apply all of it and end."""
        self._over.set()

    async def run(self, lives: list[float]) -> None:
        """One life after the other, each of so many seconds; the last one to the end of the tape."""
        for seconds in lives:
            await self._life(seconds)
        await self._over.wait()
        await self._life(None)

    async def _life(self, seconds: float | None) -> None:
        model = DuckReadModel(self.path)
        model.open()
        runner = ProjectionRunner(self._house.tape.share(), [model], SETTINGS, clock=self._house.clock)
        await runner.start()
        try:
            if seconds is None:
                await runner.wait_until((await self._house.tape.info()).last, 20.0)
            else:
                await asyncio.sleep(seconds)
                for task in runner._tasks:  # killed: nothing more is applied
                    task.cancel()
        finally:
            await runner.close()
            model.close()
