"""The supervisor on the loop of its owner: nothing of it waits there."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from api.processes.supervisor import ChildSpec, Supervisor, SupervisorSettings
from events.clock import SystemClock
from tests.fixtures.waiting import until

DEAF = """
import pathlib, signal, time
folder = pathlib.Path(__file__).parent
signal.signal(signal.SIGTERM, signal.SIG_IGN)
(folder / "deaf").touch()
while not (folder / "enough").exists():
    time.sleep(0.01)
"""


async def test_the_pause_before_a_restart_is_no_wait_of_the_loop(tmp_path: Path) -> None:
    """What ended by itself is started again after its pause; a look in between returns at once."""
    watched = Supervisor(tmp_path, SystemClock(), os.environ, SupervisorSettings(pause_seconds=3600))
    try:
        first = watched.start(ChildSpec("short", ("--version",)))
        assert (tmp_path / "short.log").stat().st_mode & 0o777 == 0o600  # nobody else reads what it logs
        await asyncio.to_thread(watched.children()[0].wait, 60)
        watched.watch()
        watched.watch()
        assert watched.pids() == {}
        assert watched.gave_up is None
        watched.ask_restart("short")  # whoever asks need not wait for the pause
        watched.watch()
        assert watched.children()[0].pid != first
    finally:
        await watched.stop()


async def deaf(folder: Path, **limits: float) -> Supervisor:
    """One whose child hears no SIGTERM, until there is a file `enough`."""
    await asyncio.to_thread((folder / "sitecustomize.py").write_text, DEAF)
    settings = SupervisorSettings(**limits)  # type: ignore[arg-type]
    watched = Supervisor(folder, SystemClock(), {**os.environ, "PYTHONPATH": str(folder)}, settings)
    watched.start(ChildSpec("deaf", ("--version",)))
    await until((folder / "deaf").exists, 60)
    return watched


async def test_the_loop_goes_on_while_children_are_stopped(tmp_path: Path) -> None:
    """A child that takes its time is waited for, and the house does what it has to do meanwhile."""
    watched = await deaf(tmp_path, stop_seconds_max=60)
    stopping = asyncio.create_task(watched.stop())
    await asyncio.sleep(0.1)
    assert list(watched.pids()) == ["deaf"]
    (tmp_path / "enough").touch()  # where the loop is held up, nobody comes to say this
    await stopping
    assert watched.children()[0].returncode == 0


async def test_a_child_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    """It has the time that the settings give it, and no more."""
    watched = await deaf(tmp_path, stop_seconds_max=0.1)
    await watched.stop()
    assert watched.children()[0].returncode == -signal.SIGKILL


async def test_who_stops_twice_waits_no_longer(tmp_path: Path) -> None:
    """A second Ctrl-C kills what has not ended yet."""
    watched = await deaf(tmp_path, stop_seconds_max=3600)
    stopping = asyncio.create_task(watched.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.wait([stopping])
    assert watched.children()[0].returncode == -signal.SIGKILL
