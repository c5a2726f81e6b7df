"""Child processes: what a restart that was asked for does to one."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pytest

from events import children
from events.clock import NS_PER_SECOND, ManualClock

STUBBORN = "trap '' TERM; echo ready; read end"


@pytest.fixture
def stubborn() -> Iterator[subprocess.Popen[bytes]]:
    """A child that SIGTERM does not end."""
    with subprocess.Popen(["/bin/sh", "-c", STUBBORN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child
        child.kill()


async def test_a_restart_that_is_asked_for(stubborn: subprocess.Popen[bytes]) -> None:
    """A child is told once, however often that is asked, killed where it takes too long, and the next one is not."""
    clock = ManualClock()
    restart = children.Restart(clock, seconds_max=2.0)
    assert not restart.asked
    assert [restart.ask(stubborn), restart.ask(stubborn)] == [stubborn.pid] * 2
    assert restart.asked
    assert await restart.ended(stubborn) == -signal.SIGKILL
    assert clock.monotonic_ns() > 2.0 * NS_PER_SECOND
    for gone in (stubborn, None):
        with pytest.raises(KeyError, match="does not run"):
            restart.ask(gone)
    restart.done()
    assert not restart.asked
    assert await restart.ended(None) == 0
