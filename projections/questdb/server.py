"""The QuestDB server as a child process on loopback: started, checked, ended by pid, and never left behind.

The data folder holds `root` (the database), `log`, `scratch`, and three small files: `access.json` (address and
generated credentials, 0600), `running.json` and `owner.lock` (see `events.children`).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import signal
import socket
import subprocess
import threading
from collections import deque
from pathlib import Path
from typing import IO

import msgspec
import psutil
import structlog

from events import children
from events.clock import NS_PER_SECOND, Clock, SystemClock
from events.errors import Bug, ProcessFailed, ReadModelUnavailable
from projections.questdb import java
from projections.questdb.access import Access, Console
from projections.questdb.java import QuestDbSettings
from projections.questdb.tables import CHECKPOINTS

log = structlog.get_logger(__name__)

ACCESS = "access.json"
LOG_TAIL_BYTES = 8_000
POLL_SECONDS = 0.05
ASK_SECONDS_MAX = 2.0
REBUILD = "rebuild"  # file in the data folder: the store is to be filled anew
PORT_TAKEN = "could not bind socket"
USER = "tapedeck"


class QuestDbServer:
    """One server on one data folder.

    What the server acknowledges is not fsynced. So where the machine went down while it ran, its next `start` takes
    the checkpoint away (`rebuilds` says so), and the projector fills the store from the tape anew.
    """

    def __init__(self, folder: Path, settings: QuestDbSettings | None = None, clock: Clock | None = None) -> None:
        self.folder = folder.resolve()
        self.settings = settings or QuestDbSettings()
        self.rebuilds = False
        self._clock = clock or SystemClock()
        self._child: subprocess.Popen[bytes] | None = None
        self._owner: IO[bytes] | None = None
        self._restart = children.Restart(self._clock, self.settings.stop_seconds_max)

    @property
    def pid(self) -> int | None:
        """Pid of the child while it runs."""
        return self._child.pid if self._child and self._child.poll() is None else None

    @property
    def root(self) -> Path:
        """The database folder."""
        return self.folder / "root"

    async def start(self) -> Access:
        """Start it and wait until it answers.

        A left-over of this folder is ended first. Must be called on the main thread: the kernel ends the child when
        the thread that started it ends.

        Raises:
            Conflict: another Tapedeck, or a QuestDB that is not ours, runs on this folder.
            ProcessFailed: there is no jar, or the server ended or did not answer in time; with the tail of its log.
        """
        if self._child is not None:
            raise Bug("this server was started already")
        if threading.current_thread() is not threading.main_thread():
            raise Bug("a child process is started on the main thread, or it ends with the thread that started it")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._owner = children.own(self.folder)
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> Access:
        await self._clear()
        began = self._clock.monotonic_ns()
        for attempt in range(1, self.settings.starts_max + 1):
            access = self._new_access()
            self._spawn(access)
            if await self._answers(access):
                if self.rebuilds:
                    await asyncio.to_thread(self._forget_checkpoint, access)
                children.write_private(self.folder / ACCESS, msgspec.json.encode(access))
                took = (self._clock.monotonic_ns() - began) / 1e6
                log.info("questdb_started", pid=self.pid, url=access.url, elapsed_ms=round(took), tries=attempt)
                return access
        raise ProcessFailed(f"QuestDB found its ports taken {self.settings.starts_max} times.\n{self.log_tail()}")

    async def _clear(self) -> None:
        """Nobody else is on the folder, and nothing of an earlier run is in the way."""
        if (process := children.left_over(self.folder)) is not None:
            killed = await asyncio.to_thread(children.end, process, self.settings.stop_seconds_max)
            log.warning("questdb_left_over_ended", pid=process.pid, killed=killed)
        if (pid := _stranger(self.root)) is not None:
            message = f"Process {pid} is a QuestDB on {self.root} that Tapedeck did not start."
            raise children.in_use(message, f"Stop it (kill {pid})")
        if children.was_cut_off(self.folder):
            (self.folder / REBUILD).touch()  # stays until it is done, whatever ends us before
        self.rebuilds = (self.folder / REBUILD).exists()
        shutil.rmtree(self.folder / "scratch", ignore_errors=True)  # natives unpacked by an earlier run
        (self.folder / "scratch").mkdir()
        java.write_log_conf(self.root, self.folder / "log")

    def _new_access(self) -> Access:
        known = read_access(self.folder)
        password = known.password if known else secrets.token_urlsafe(24)
        http = _free_port(known.port if known else 0)
        pg = _free_port(known.pg_port if known else 0, taken=http)
        return Access(f"http://127.0.0.1:{http}", USER, password, pg)

    def _spawn(self, access: Access) -> None:
        command = java.command(self.settings, self.root, self.folder / "scratch")
        self._restart.done()
        with self._output.open("wb") as output:
            self._child = subprocess.Popen(
                command,
                env=java.environment(self.settings, access),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=children.die_with_parent(),  # noqa: PLW1509 - only prctl between fork and exec
            )
        with contextlib.suppress(psutil.NoSuchProcess):
            children.remember(self.folder, self._child.pid)

    async def _answers(self, access: Access) -> bool:
        """Wait until it answers with its own password; False where a port was taken meanwhile."""
        assert self._child is not None
        deadline = self._clock.monotonic_ns() + round(self.settings.start_seconds_max * NS_PER_SECOND)
        console = Console(access, pool_max=1, seconds_max=ASK_SECONDS_MAX)
        try:
            while self._clock.monotonic_ns() < deadline:
                if self._child.poll() is not None:
                    return self._ended_early()
                with contextlib.suppress(ReadModelUnavailable):
                    await asyncio.to_thread(console.ask, "SELECT 1")
                    return True
                await self._clock.sleep(POLL_SECONDS)
        finally:
            console.close()
        raise ProcessFailed(f"QuestDB does not answer after {self.settings.start_seconds_max} s.\n{self.log_tail()}")

    def _forget_checkpoint(self, access: Access) -> None:
        console = Console(access, pool_max=1, seconds_max=self.settings.start_seconds_max)
        try:
            console.ask(f"DROP TABLE IF EXISTS {CHECKPOINTS}")
        finally:
            console.close()
        (self.folder / REBUILD).unlink()
        log.warning("questdb_rebuilds", reason="the machine went down while it ran")

    def _ended_early(self) -> bool:
        tail = self.log_tail()
        if PORT_TAKEN in tail:
            return False
        assert self._child is not None
        raise ProcessFailed(f"QuestDB ended with code {self._child.returncode} while it started.\n{tail}")

    @property
    def _output(self) -> Path:
        return self.folder / "log" / "start.log"

    def log_tail(self) -> str:
        """The last lines it wrote to its standard output: how its start went, and what ended it."""
        try:
            with self._output.open("rb") as file:
                file.seek(max(0, self._output.stat().st_size - LOG_TAIL_BYTES))
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    async def ended(self) -> int:
        """Wait until the child ended by itself or was stopped; its exit code (143 is SIGTERM)."""
        return await self._restart.ended(self._child)

    async def watch(self) -> None:
        """Start it again whenever it ends by itself; returns after `stop`.

        What it had acknowledged was written, so a store whose server alone was killed is whole.

        Raises:
            ProcessFailed: it ended `restarts_max` times within `window_seconds`.
        """
        restarts: deque[int] = deque()
        while True:
            code = await self.ended()
            if self._child is None:
                return
            log.warning("questdb_ended", exit_code=code, restarts=len(restarts), asked=self._restart.asked)
            if not self._restart.asked:
                self._count_restart(restarts, code)
            try:
                await self._start()
            except ProcessFailed as error:  # it ended again, or hangs: one restart more
                log.warning("questdb_not_started", error=str(error))
                await asyncio.to_thread(self._end, self._child)

    def _count_restart(self, restarts: deque[int], code: int) -> None:
        now, window_ns = self._clock.monotonic_ns(), round(self.settings.window_seconds * NS_PER_SECOND)
        while restarts and now - restarts[0] > window_ns:
            restarts.popleft()
        if len(restarts) >= self.settings.restarts_max:
            raise ProcessFailed(
                f"QuestDB ended {len(restarts) + 1} times within {self.settings.window_seconds:.0f} s, "
                f"last with code {code}.\n{self.log_tail()}"
            )
        restarts.append(now)

    def ask_restart(self) -> int:
        """Tell it to stop; `watch` starts it again, counts that for no limit, and kills it past `stop_seconds_max`.

        Does not wait. Returns the pid that it had; raises KeyError where it does not run.
        """
        return self._restart.ask(self._child)

    async def stop(self) -> None:
        """SIGTERM, after `stop_seconds_max` SIGKILL. Returns when it is gone; does nothing where it is."""
        child, self._child = self._child, None
        if child is not None:
            await asyncio.to_thread(self._end, child)
            children.forget(self.folder)
        if self._owner is not None:
            self._owner.close()
            self._owner = None

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
        try:
            child.wait(self.settings.stop_seconds_max)
        except subprocess.TimeoutExpired:
            log.warning("questdb_killed", pid=child.pid, after_seconds=self.settings.stop_seconds_max)
            child.kill()
            child.wait()


def read_access(folder: Path) -> Access | None:
    """Address and credentials of the server of a data folder, for other processes; None before its first start."""
    try:
        return msgspec.json.decode((folder / ACCESS).read_bytes(), type=Access)
    except (OSError, msgspec.DecodeError):
        return None


def _free_port(wanted: int, taken: int = 0) -> int:
    """A port of the loopback address that is free now: the wanted one where it is, else any."""
    for port in (wanted, 0, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            if (found := int(probe.getsockname()[1])) != taken:
                return found
    raise ProcessFailed("There is no free port on 127.0.0.1.", hint="Look for a process that holds them all.")


def _stranger(root: Path) -> int | None:
    """Pid of a QuestDB on this database folder, whoever started it; None where there is none."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(root) in words and any("io.questdb" in word for word in words):
            return int(process.pid)
    return None
