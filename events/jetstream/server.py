"""The nats-server as a child process on loopback: started, checked, ended by pid, and never left behind.

Its folder holds `store` (the streams), `log`, `ports`, `keys` (one seed a role, 0600), `nats-server.conf` (0600),
and three small files: `access.json` (its address), `running.json` and `owner.lock` (see `events.children`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import msgspec
import psutil
import structlog

from events import children
from events.clock import NS_PER_SECOND, Clock, SystemClock
from events.errors import Bug, NotAvailable, ProcessFailed
from events.jetstream import configuration, roles
from events.jetstream.configuration import NatsSettings
from events.jetstream.link import Endpoint
from events.jetstream.roles import Role

log = structlog.get_logger(__name__)

ACCESS = "access.json"
CONFIGURATION = "nats-server.conf"
POLL_SECONDS = 0.01
PORT_TAKEN = "address already in use"
STARTS_MAX = 3
DISK_BYTES_MIN = 16_777_216


class NatsAccess(msgspec.Struct, frozen=True):
    """Where the server of a folder listens."""

    url: str


class _Ports(msgspec.Struct):
    nats: list[str] = []


class NatsServer:
    """One server on one folder. A left-over of this folder is ended and started anew; anyone else's is refused."""

    def __init__(
        self,
        folder: Path,
        settings: NatsSettings | None = None,
        clock: Clock | None = None,
        role_table: Mapping[str, Role] = roles.ROLES,
    ) -> None:
        self.folder = folder.resolve()
        self.settings = settings or NatsSettings()
        self._clock: Clock = clock or SystemClock()
        self._roles = role_table
        self._child: subprocess.Popen[bytes] | None = None
        self._owner: IO[bytes] | None = None
        self._restarts: deque[int] = deque()
        self._stopping = False
        self._restart = children.Restart(self._clock, self.settings.stop_seconds_max)
        self._log_start = 0  # of this run in the log

    @property
    def pid(self) -> int | None:
        """Pid of the child while it runs."""
        return self._child.pid if self._child and self._child.poll() is None else None

    @property
    def store(self) -> Path:
        """Where the server keeps its streams."""
        return self.folder / "store" / "jetstream"

    def blocks(self, stream: str) -> Path:
        """Where the block files of a stream are."""
        return self.store / "$G" / "streams" / stream / "msgs"

    def endpoint(self, role: str) -> Endpoint:
        """How a role reaches the server."""
        return endpoint(self.folder, role)

    async def start(self) -> NatsAccess:
        """Start it and wait until it listens, on the port it had before where that is free.

        Must be called on the main thread: the kernel ends the child when the thread that started it ends.

        Raises:
            Conflict: another Tapedeck, or a nats-server that is not ours, runs on this folder.
            ProcessFailed: no program, a folder that cannot be written, a full disk, or the server ended or did not
                listen in time; with the tail of its log.
        """
        if self._child is not None:
            raise Bug("this server was started already")
        if threading.current_thread() is not threading.main_thread():
            raise Bug("a child process is started on the main thread, or it ends with the thread that started it")
        self._stopping = False
        try:
            self._prepare()
            return await self._start()
        except OSError as error:
            await self.stop()
            raise ProcessFailed(
                f"nats-server cannot start: {self.folder} cannot be written ({error.strerror or error}).",
                hint="Make room or correct the folder's rights, or name another data folder in TAPEDECK_DATA.",
            ) from None
        except BaseException:
            await self.stop()
            raise

    def _prepare(self) -> None:
        for name in ("", "store", "log", "ports"):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._owner = children.own(self.folder)
        free = shutil.disk_usage(self.folder).free
        if free < DISK_BYTES_MIN:
            raise ProcessFailed(
                f"nats-server cannot start: the disk of {self.folder} has {free // 1024} KiB left.",
                hint=f"Make room: it needs at least {DISK_BYTES_MIN // 1_048_576} MiB.",
            )

    async def _start(self) -> NatsAccess:
        await self._clear()
        began = self._clock.monotonic_ns()
        public_keys = roles.make_keys(self.folder / "keys", self._roles)
        for attempt in range(1, STARTS_MAX + 1):
            if self._stopping:
                raise ProcessFailed("nats-server was stopped while it started.")
            self._spawn(_known_port(self.folder) if attempt == 1 else -1, public_keys)
            if (url := await self._listens()) is not None:
                access = NatsAccess(url)
                children.write_private(self.folder / ACCESS, msgspec.json.encode(access))
                took = (self._clock.monotonic_ns() - began) / 1e6
                log.info("nats_started", pid=self.pid, url=url, elapsed_ms=round(took), tries=attempt)
                return access
        raise ProcessFailed(f"nats-server found its port taken {STARTS_MAX} times.\n{self.log_tail()}")

    async def _clear(self) -> None:
        """Nobody else is on the folder, and nothing of an earlier run is in the way."""
        if (process := children.left_over(self.folder)) is not None:
            killed = await asyncio.to_thread(children.end, process, self.settings.stop_seconds_max)
            log.warning("nats_left_over_ended", pid=process.pid, killed=killed)
        if (pid := children.stranger(configuration.PROGRAM, str(self.folder))) is not None:
            raise children.in_use(
                f"Process {pid} is a nats-server on {self.folder} that Tapedeck did not start.", f"Stop it (kill {pid})"
            )
        children.forget(self.folder)

    def _spawn(self, port: int, public_keys: Mapping[str, str]) -> None:
        for old in (self.folder / "ports").glob("*.ports"):
            old.unlink()
        text = configuration.render(self.folder, port, self.settings, roles.authorization(public_keys, self._roles))
        children.write_private(self.folder / CONFIGURATION, text.encode())
        self._log_start = children.size_of(self._log)
        self._restart.done()
        with children.open_private(self._output, "wb") as output:
            self._child = subprocess.Popen(
                [str(configuration.program()), "-c", str(self.folder / CONFIGURATION)],
                cwd=self.folder,
                env={"GOMEMLIMIT": str(self.settings.soft_memory_bytes), **_outer_environment()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
                preexec_fn=children.die_with_parent(),  # noqa: PLW1509 - only prctl between fork and exec
            )
        with contextlib.suppress(psutil.NoSuchProcess):
            children.remember(self.folder, self._child.pid)

    async def _listens(self) -> str | None:
        """Its address when it listens; None where its port was taken meanwhile."""
        child = self._child
        assert child is not None
        deadline = self._clock.monotonic_ns() + round(self.settings.start_seconds_max * NS_PER_SECOND)
        while self._clock.monotonic_ns() < deadline:
            if child.poll() is not None:
                self._ended_early(child.returncode)
                return None
            if (url := self._address()) is not None:
                return url
            await self._clock.sleep(POLL_SECONDS)
        raise ProcessFailed(
            f"nats-server does not listen after {self.settings.start_seconds_max} s.\n{self.log_tail()}"
        )

    def _address(self) -> str | None:
        for path in (self.folder / "ports").glob("*.ports"):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                ports = msgspec.json.decode(path.read_bytes(), type=_Ports)
                return ports.nats[0] if ports.nats else None
        return None

    def _ended_early(self, code: int) -> None:
        """Raises ProcessFailed unless its port was taken."""
        tail = self.log_tail()
        if PORT_TAKEN not in tail:
            raise ProcessFailed(f"nats-server ended with code {code} while it started.\n{tail}")

    @property
    def _log(self) -> Path:
        return self.folder / "log" / "nats-server.log"

    @property
    def _output(self) -> Path:
        return self.folder / "log" / "start.log"

    def log_tail(self) -> str:
        """The last lines of its log in this run, and of what it wrote while it started."""
        parts = (children.tail_of(self._log, start=self._log_start), children.tail_of(self._output))
        return "\n".join(part for part in parts if part)

    # --- after the start ------------------------------------------------------------------------------------------

    async def ended(self) -> int:
        """Wait until the child ended by itself or was stopped; its exit code."""
        return await self._restart.ended(self._child)

    async def watch(self) -> None:
        """Start it again whenever it ends by itself; returns after `stop`.

        Raises:
            ProcessFailed: it ended `restarts_max` times within `window_seconds`.
        """
        while True:
            code = await self.ended()
            if self._stopping or self._child is None:
                return
            log.warning("nats_ended", exit_code=code, restarts=len(self._restarts), asked=self._restart.asked)
            if not self._restart.asked:
                self._count_restart(code)
            try:
                await self._start()
            except ProcessFailed as error:  # it ended again, or hangs: one restart more
                log.warning("nats_not_started", error=str(error))
                if self._child is not None:
                    await asyncio.to_thread(self._end, self._child)

    def _count_restart(self, code: int) -> None:
        now = self._clock.monotonic_ns()
        while self._restarts and now - self._restarts[0] > self.settings.window_seconds * NS_PER_SECOND:
            self._restarts.popleft()
        if len(self._restarts) >= self.settings.restarts_max:
            raise ProcessFailed(
                f"nats-server ended {len(self._restarts) + 1} times within {self.settings.window_seconds:.0f} s, "
                f"last with code {code}.\n{self.log_tail()}"
            )
        self._restarts.append(now)

    def ask_restart(self) -> int:
        """Tell it to stop; `watch` starts it again, counts that for no limit, and kills it past `stop_seconds_max`.

        Does not wait. Returns the pid that it had; raises KeyError where it does not run.
        """
        return self._restart.ask(self._child)

    async def restart(self) -> NatsAccess:
        """Stop and start; the port stays where it is free."""
        await self.stop()
        return await self.start()

    def kill(self) -> None:
        """SIGKILL, for tests of what that does."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    async def stop(self) -> None:
        """SIGTERM, after `stop_seconds_max` SIGKILL. Returns when it is gone; does nothing where it is."""
        self._stopping = True
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
            log.warning("nats_killed", pid=child.pid, after_seconds=self.settings.stop_seconds_max)
            child.kill()
            child.wait()


def endpoint(folder: Path, role: str) -> Endpoint:
    """How a role reaches the server of a folder, for any process of the same user.

    Raises:
        NotAvailable: no server was ever started on this folder, or it has no such role.
    """
    seed = roles.seed_file(folder / "keys", role)
    access = read_access(folder)
    if access is None or not seed.is_file():
        raise NotAvailable(
            f"No nats-server with a role {role} was started on {folder}.", hint="Start it with `tapedeck up`."
        )
    return Endpoint(access.url, role, str(seed))


def _outer_environment() -> dict[str, str]:
    """What the child gets of ours: nothing of Tapedeck's own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TAPEDECK_")}


def read_access(folder: Path) -> NatsAccess | None:
    """Address of the server of a folder; None before its first start."""
    try:
        return msgspec.json.decode((folder / ACCESS).read_bytes(), type=NatsAccess)
    except (OSError, msgspec.MsgspecError):
        return None


def _known_port(folder: Path) -> int:
    """The port of the run before where it is free now, else -1: the server takes any."""
    access = read_access(folder)
    if access is None:
        return -1
    port = int(access.url.rpartition(":")[2])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return -1
    return port
