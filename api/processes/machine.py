"""The machine a process runs on: what it has, what is in use, and how a worker tells of it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from functools import cache
from pathlib import Path

import msgspec
import psutil

from api.processes.cpu import METER
from engine.jobs.queue import Room
from engine.jobs.runner import JobSettings
from events.clock import Clock

MEMORY_SHARE = 0.75  # of a machine's memory that jobs may take where nothing is said
MIB = 1_048_576
GPU_SECONDS_MAX = 2.0


class Gpu(msgspec.Struct, frozen=True):
    """One graphics card."""

    name: str
    memory_mb: int
    memory_used_mb: int
    used_ratio: float


class MachineState(msgspec.Struct, frozen=True, kw_only=True):
    """How a machine is, as a worker on it says."""

    machine: str
    worker: str
    at_ns: int
    cores: int
    cores_used: float  # busy by whatever runs there
    memory_mb: int
    memory_used_mb: int
    disk_mb: int
    disk_used_mb: int
    room: Room  # what jobs may take of it
    gpus: tuple[Gpu, ...] = ()


class Machine:
    """Tells of this machine."""

    def __init__(self, settings: JobSettings, clock: Clock, folder: Path) -> None:
        self._settings = settings
        self._clock = clock
        self._folder = folder

    def state(self) -> MachineState:
        """Now."""
        memory, disk = psutil.virtual_memory(), shutil.disk_usage(self._folder)
        cores = psutil.cpu_count() or 1
        return MachineState(
            machine=self._settings.machine,
            worker=self._settings.worker,
            at_ns=self._clock.now_ns(),
            cores=cores,
            cores_used=round(cores * METER.percent() / 100, 2),
            memory_mb=memory.total // MIB,
            memory_used_mb=(memory.total - memory.available) // MIB,
            disk_mb=disk.total // MIB,
            disk_used_mb=disk.used // MIB,
            room=self._settings.room,
            gpus=gpus(),
        )

    async def describe(self) -> bytes:
        """`state` as JSON; asked in a thread, because a graphics card may be slow to answer."""
        return msgspec.json.encode(await asyncio.to_thread(self.state))


def room_of_machine(cores: float = 0.0, memory_mb: int = 0) -> Room:
    """What jobs may take: as given, and where it is 0, all cores and three quarters of the memory."""
    total_mb = psutil.virtual_memory().total // MIB
    return Room(cores=cores or float(psutil.cpu_count() or 1), memory_mb=memory_mb or int(total_mb * MEMORY_SHARE))


QUESTION = ("--query-gpu=name,memory.total,memory.used,utilization.gpu", "--format=csv,noheader,nounits")


def gpus() -> tuple[Gpu, ...]:
    """The graphics cards that `nvidia-smi` lists; none where it is not installed or does not answer."""
    program = _program()
    if program is None:
        return ()
    try:
        found = subprocess.run(
            [program, *QUESTION], capture_output=True, text=True, timeout=GPU_SECONDS_MAX, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(gpu_of(line) for line in found.stdout.splitlines() if line.count(",") == 3)


def gpu_of(line: str) -> Gpu:
    """A card from a line of `nvidia-smi`; figures that it does not have are 0."""
    name, total, used, percent = (part.strip() for part in line.split(","))
    return Gpu(name, int(_number(total)), int(_number(used)), _number(percent) / 100)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


@cache
def _program() -> str | None:
    return shutil.which("nvidia-smi")
