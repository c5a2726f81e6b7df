"""Contract 001's words for jobs: tasks that run or wait, and the resources of the machines that do them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from api.processes.machine import Gpu, MachineState
from api.reading.wording import instant
from api.services.jobs import QueueRows
from projections.read_models.jobs import JobRow

TYPES = {"training": "model_training"}  # kinds that the contract calls otherwise
GB_MB = 1_024


class RunningTask(msgspec.Struct, frozen=True):
    """A job that a worker does."""

    task_id: str
    task_type: str
    estimated_cpu_cores: float
    estimated_ram_gb: float
    description: str
    progress: Annotated[float, Meta(description="done, 0 to 1")]
    user: str
    worker: str
    started_at: str | None


class QueuedTask(msgspec.Struct, frozen=True):
    """A job that waits."""

    task_id: str
    task_type: str
    queue_position: Annotated[int, Meta(description="among all jobs that wait, 1 is the next")]
    estimated_cpu_cores: float
    estimated_ram_gb: float
    queued_at: str | None
    description: str
    user: str


class TaskQueue(msgspec.Struct, frozen=True):
    """Tasks that run or wait: one's own, an admin's view everybody's. The lists hold 1,000 at most."""

    running_count: int
    queued_count: int
    running_tasks: list[RunningTask]
    queued_tasks: list[QueuedTask]


class Cpu(msgspec.Struct, frozen=True):
    """Cores of all machines."""

    available_cores: int
    in_use_cores: float
    usage_percent: float


class Ram(msgspec.Struct, frozen=True):
    """Memory of all machines."""

    total_gb: float
    available_gb: float
    in_use_gb: float
    usage_percent: float


class Disk(msgspec.Struct, frozen=True):
    """Where the data folders lie, of all machines."""

    total_gb: float
    in_use_gb: float
    usage_percent: float


class MachineItem(msgspec.Struct, frozen=True):
    """One machine. `job_*` is what jobs may take of it."""

    machine: str
    cores: int
    in_use_cores: float
    total_gb: float
    in_use_gb: float
    job_cores: float
    job_memory_gb: float
    gpus: tuple[Gpu, ...]


class Resources(msgspec.Struct, frozen=True):
    """The machines that do jobs, together and each."""

    cpu: Cpu
    ram: Ram
    disk: Disk
    machines: list[MachineItem]


def task_type(kind: str) -> str:
    """The contract's word for a kind of job."""
    return TYPES.get(kind, kind)


def running_task(row: JobRow) -> RunningTask:
    """A job that runs, worded."""
    return RunningTask(
        row.job,
        task_type(row.kind),
        row.cores,
        _gb(row.memory_mb),
        row.description,
        round(row.ratio, 4),
        row.user,
        row.worker,
        instant(row.claimed_ns),
    )


def queued_task(row: JobRow) -> QueuedTask:
    """A job that waits, worded."""
    return QueuedTask(
        row.job,
        task_type(row.kind),
        row.position,
        row.cores,
        _gb(row.memory_mb),
        instant(row.queued_ns),
        row.description,
        row.user,
    )


def task_queue(rows: QueueRows) -> TaskQueue:
    """The queue, worded."""
    return TaskQueue(
        rows.running.total,
        rows.queued.total,
        [running_task(row) for row in rows.running.rows],
        [queued_task(row) for row in rows.queued.rows],
    )


def resources(states: Sequence[MachineState]) -> Resources:
    """Of one machine or more."""
    cores, used = sum(one.cores for one in states), sum(one.cores_used for one in states)
    memory, memory_used = sum(one.memory_mb for one in states), sum(one.memory_used_mb for one in states)
    disk, disk_used = sum(one.disk_mb for one in states), sum(one.disk_used_mb for one in states)
    return Resources(
        Cpu(cores, round(used, 2), _percent(used, cores)),
        Ram(_gb(memory), _gb(memory - memory_used), _gb(memory_used), _percent(memory_used, memory)),
        Disk(_gb(disk), _gb(disk_used), _percent(disk_used, disk)),
        [_machine(one) for one in states],
    )


def _machine(one: MachineState) -> MachineItem:
    return MachineItem(
        one.machine,
        one.cores,
        one.cores_used,
        _gb(one.memory_mb),
        _gb(one.memory_used_mb),
        one.room.cores,
        _gb(one.room.memory_mb),
        one.gpus,
    )


def _gb(megabytes: float) -> float:
    return round(megabytes / GB_MB, 2)


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
