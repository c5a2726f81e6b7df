"""What a worker tells of its machine, and what is made of several machines' words."""

from __future__ import annotations

from pathlib import Path

import msgspec

from api.platform.tasks import resources
from api.processes.machine import Gpu, Machine, MachineState, gpu_of, room_of_machine
from api.services.machines import Machines
from api.settings import JobSettings, Settings
from engine.jobs.queue import Room
from engine.jobs.runner import JobSettings as RunnerSettings
from events.clock import ManualClock
from events.memory_keys import MemoryKeys


def state(machine: str, worker: str, at_ns: int = 1, used: float = 1.0) -> MachineState:
    """A machine of four cores and 8 GiB."""
    return MachineState(
        machine=machine,
        worker=worker,
        at_ns=at_ns,
        cores=4,
        cores_used=used,
        memory_mb=8_192,
        memory_used_mb=2_048,
        disk_mb=100_000,
        disk_used_mb=25_000,
        room=Room(cores=4.0, memory_mb=6_144),
        gpus=(Gpu("card", 16_384, 1_024, 0.5),),
    )


async def test_a_machine_tells_what_it_has(tmp_path: Path) -> None:
    """Cores, memory and disk are this machine's, and what is in use is no more than there is."""
    settings = RunnerSettings(worker="w", machine="m", room=room_of_machine())
    told = msgspec.json.decode(await Machine(settings, ManualClock(), tmp_path).describe(), type=MachineState)
    assert (told.machine, told.worker) == ("m", "w")
    assert 0 <= told.cores_used <= told.cores
    assert 0 < told.memory_used_mb <= told.memory_mb
    assert 0 < told.disk_used_mb <= told.disk_mb
    assert told.room.memory_mb < told.memory_mb


def test_the_room_is_what_the_settings_say() -> None:
    """Given figures stand; a figure of 0 is the machine's own."""
    assert room_of_machine(1.5, 700) == Room(cores=1.5, memory_mb=700)
    whole = room_of_machine()
    assert whole.cores >= 1
    assert room_of_machine(0.0, 700).cores == whole.cores


def test_a_graphics_card_is_read_from_its_line() -> None:
    """Name, memory and use; what a card does not tell is 0."""
    assert gpu_of("NVIDIA A10, 23028, 512, 37") == Gpu("NVIDIA A10", 23_028, 512, 0.37)
    assert gpu_of("Old card, 4096, [N/A], [Not Supported]") == Gpu("Old card", 4_096, 0, 0.0)


async def test_machines_are_counted_once_however_many_workers_they_have() -> None:
    """Two workers of one machine are one machine, in the newest words; strange words are left out."""
    clock, keys = ManualClock(), MemoryKeys()
    for one in (state("a", "a-1", 1, 1.0), state("a", "a-2", 2, 3.0), state("b", "b-1")):
        await keys.put(f"worker.{one.worker}", msgspec.json.encode(one))
    await keys.put("worker.odd", b"{}")
    asked = Machines(keys, Settings(jobs=JobSettings(cores=1.0)), clock)
    found = await asked.states()
    assert [(one.machine, one.cores_used) for one in found] == [("a", 3.0), ("b", 1.0)]
    whole = resources(found)
    assert (whole.cpu.available_cores, whole.cpu.in_use_cores, whole.cpu.usage_percent) == (8, 4.0, 50.0)
    assert (whole.ram.total_gb, whole.ram.available_gb, whole.ram.usage_percent) == (16.0, 12.0, 25.0)
    assert [one.job_cores for one in whole.machines] == [4.0, 4.0]
    await keys.delete("worker.b-1")
    assert len(await asked.states()) == 2  # one answer serves for a second
    clock.advance(1.5)
    assert [one.machine for one in await asked.states()] == ["a"]


async def test_without_a_worker_it_is_this_machine(tmp_path: Path) -> None:
    """Where no worker shows life, the machine that answers is shown."""
    asked = Machines(MemoryKeys(), Settings(data=str(tmp_path)), ManualClock())
    (found,) = await asked.states()
    assert found.cores >= 1
