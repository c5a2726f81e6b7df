"""A small supervisor: starts our own processes, starts one again that ended by itself, stops all by pid.

A child dies with the thread that started it (the kernel's parent-death signal), so nothing is left behind when the
parent is killed. So `start` and `watch` are called from the main thread only, which is that of the parent's loop: none
of them waits for a process, and `stop` lets the loop go on meanwhile.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from api.outcomes import exit_code_of
from events.children import die_with_parent, open_private
from events.clock import NS_PER_SECOND, Clock
from events.errors import ProcessFailed, TapeRefused

log = structlog.get_logger(__name__)

LOG_TAIL_LINES = 20
LOOK_SECONDS = 0.02  # between two looks whether a child that was told to stop has ended
# glibc gives each thread a heap of its own and none back; what a worker thread decoded once would stay.
LEAN_ENV = {"MALLOC_ARENA_MAX": "2"}
TAPE_REFUSED = exit_code_of(TapeRefused(""))


class ChildSpec(msgspec.Struct, frozen=True):
    """One process of the house."""

    name: str
    arguments: tuple[str, ...]  # behind `python -m api.cli`
    reads_market: bool = False  # started when the market store answers
    outlives: bool = False  # stopped when the others have ended: it sees what they did last


class SupervisorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named limits."""

    stop_seconds_max: float = 8.0
    restarts_max: int = 20  # within the window; beyond it the supervisor gives up
    early_restarts_max: int = 2  # the same until `settled` was called: what cannot start is told at once
    window_seconds: float = 60.0
    pause_seconds: float = 0.3  # before a child is started again
    final_exit_codes: tuple[int, ...] = (TAPE_REFUSED,)  # starting again would end the same way


class Supervisor:
    """Keeps children running until `stop`."""

    def __init__(self, folder: Path, clock: Clock, env: Mapping[str, str], settings: SupervisorSettings) -> None:
        self._folder = folder
        self._clock = clock
        self._env = {**LEAN_ENV, **env}
        self._settings = settings
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._specs: dict[str, ChildSpec] = {}
        self._restarts: dict[str, deque[int]] = {}
        self._asked: dict[str, int] = {}  # to be started again when it has ended; killed at this time, ns
        self._due: dict[str, int] = {}  # ended by itself; started again at this time, ns
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._settled = False
        self.gave_up: ProcessFailed | None = None

    def start(self, spec: ChildSpec) -> int:
        """Start a child and keep it up; returns its pid."""
        with self._lock:
            self._specs[spec.name] = spec
            return self._spawn(spec)

    def _spawn(self, spec: ChildSpec) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        with open_private(self._folder / f"{spec.name}.log", "ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "api.cli", *spec.arguments],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - between fork and exec only prctl is called
            )
        self._children[spec.name] = child
        log.info("process_started", process=spec.name, pid=child.pid)
        return child.pid

    def pids(self) -> dict[str, int]:
        """Pids of the children that run."""
        with self._lock:
            return {name: child.pid for name, child in self._children.items() if child.poll() is None}

    def children(self) -> tuple[subprocess.Popen[bytes], ...]:
        """The newest process of each child, whether it runs or has ended."""
        with self._lock:
            return tuple(self._children.values())

    def watch(self) -> None:
        """Look once: start again what ended by itself. Called by the owner a few times a second."""
        with self._lock:
            if self._stopping.is_set():
                return
            self._asked_again()
            self._due_again()
            for name, child in list(self._children.items()):
                if child.poll() is not None and name not in self._due:
                    self._again(name, child.returncode)

    def _again(self, name: str, code: int) -> None:
        now = self._clock.monotonic_ns()
        times = self._restarts.setdefault(name, deque())
        while times and now - times[0] > self._settings.window_seconds * NS_PER_SECOND:
            times.popleft()
        final = code in self._settings.final_exit_codes
        if final or len(times) >= (self._settings.restarts_max if self._settled else self._settings.early_restarts_max):
            self.gave_up = ProcessFailed(
                f"Process {name} ended {len(times) + 1} times within {self._settings.window_seconds:.0f} s "
                f"(last exit code {code}).\n{self.log_tail(name)}"
            )
            return
        times.append(now)
        log.warning("process_ended", process=name, exit_code=code, restarts=len(times))
        self._due[name] = now + round(self._settings.pause_seconds * NS_PER_SECOND)

    def _due_again(self) -> None:
        now = self._clock.monotonic_ns()
        for name in [name for name, due_ns in self._due.items() if now >= due_ns]:
            del self._due[name]
            self._spawn(self._specs[name])

    def settled(self) -> None:
        """Everything has started: from now on a child is started again more often."""
        self._settled = True

    def ask_restart(self, name: str) -> int:
        """Tell a child to stop; `watch` starts it again, and kills it past the bound. Returns the pid that it had.

        Does not wait, and is no end by itself: it counts for no limit. Raises KeyError for an unknown name.
        """
        with self._lock:
            child = self._children[name]
            if name not in self._asked and child.poll() is None:
                child.send_signal(signal.SIGTERM)
            bound_ns = round(self._settings.stop_seconds_max * NS_PER_SECOND)
            self._asked.setdefault(name, self._clock.monotonic_ns() + bound_ns)
            return child.pid

    def _asked_again(self) -> None:
        now = self._clock.monotonic_ns()
        for name, bound_ns in list(self._asked.items()):
            child = self._children[name]
            if child.poll() is not None:
                del self._asked[name]
                self._due.pop(name, None)
                self._spawn(self._specs[name])
            elif now >= bound_ns:
                log.warning("process_killed", process=name, pid=child.pid)
                child.kill()

    async def stop(self) -> None:
        """Stop all: SIGTERM, and after the limit, or when this is cancelled, SIGKILL. Returns when none runs."""
        self._stopping.set()
        try:
            for last in (False, True):
                await self._end([child for name, child in self._children.items() if self._specs[name].outlives is last])
        finally:
            for name, child in self._children.items():
                if child.poll() is None:
                    log.warning("process_killed", process=name, pid=child.pid)
                    child.kill()
                    child.wait()

    async def _end(self, children: list[subprocess.Popen[bytes]]) -> None:
        """Tell them to stop, and wait for it, bounded."""
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        bound_ns = self._clock.monotonic_ns() + round(self._settings.stop_seconds_max * NS_PER_SECOND)
        while any(child.poll() is None for child in children) and self._clock.monotonic_ns() < bound_ns:
            await self._clock.sleep(LOOK_SECONDS)

    def log_tail(self, name: str) -> str:
        """The last lines a child wrote."""
        try:
            lines = (self._folder / f"{name}.log").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-LOG_TAIL_LINES:])
