"""What a worker tells of its machine, and what is made of several machines' words."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psutil
import pytest

from api.platform.tasks import resources
from api.processes import cpu
from api.processes.cpu import Times
from api.processes.machine import Gpu, Machine, MachineState, gpu_of, room_of_machine
from api.services.components import usage
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


def test_a_busy_core_is_told_to_whoever_asks(tmp_path: Path) -> None:
    """While a core works, no answer says that nothing does, from whichever thread it is asked, at once and later."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            sum(range(10_000))

    busy = threading.Thread(target=work)
    busy.start()
    try:
        found = []
        for pause in (0.0, 0.0, 0.3, 0.6):
            time.sleep(pause)
            with ThreadPoolExecutor(1) as pool:  # a thread that has not asked yet
                found.append(pool.submit(usage, str(tmp_path)).result().cpu_percent)
    finally:
        ended.set()
        busy.join()
    least = 50 / (psutil.cpu_count() or 1)
    assert all(least < one <= 100 for one in found), found


def test_what_was_measured_long_ago_is_measured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet hour before does not make a busy moment look quiet."""
    times = iter([Times(0.0, 0.0), Times(3_600.0, 0.0), Times(3_600.2, 0.2), Times(3_600.3, 0.2), Times(3_601.2, 0.7)])
    monkeypatch.setattr(cpu, "_times", lambda: next(times))
    meter = cpu.CpuMeter()
    assert [meter.percent(), meter.percent(), meter.percent()] == [100.0, 100.0, 50.0]
