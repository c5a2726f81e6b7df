"""`tapedeck up`: the whole house under one supervisor, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import click
import httpx
import msgspec

from api import bootstrap
from api.cli.opened import run
from api.places import HouseFile, Places, forget_house, read_mark, running_house, write_house
from api.processes.restarting import attended
from api.processes.supervisor import ChildSpec, Supervisor, SupervisorSettings
from api.sealing import owner_of
from api.servers import Servers, market_store_of, store_line
from api.settings import Settings
from events.clock import Clock, SystemClock
from events.errors import Conflict, ProcessFailed

READY_SECONDS_MAX = 60.0
CATCHING_UP_SECONDS = 2.0  # between lines that say how far a read model is behind
SEALED_SECONDS_MAX = 60.0
WATCH_SECONDS = 0.2


@dataclass(slots=True)
class Running:
    """A house that runs."""

    url: str
    servers: Servers
    supervisor: Supervisor
    market_store: str
    readers: list[ChildSpec]  # started when the market store answers
    _reads: asyncio.Task[None] | None = None

    def begin_reads(self) -> None:
        """Start the market store's server, and the processes that read it when it answers."""
        if self._reads is None:
            self._reads = asyncio.create_task(self._begin_reads())

    async def _begin_reads(self) -> None:
        await self.servers.market_started()
        for child in self.readers:
            self.supervisor.start(child)

    async def ready(self) -> None:
        """Wait until reads are answered. Raises as `_ready`, and as `Servers.start`."""
        self.begin_reads()
        assert self._reads is not None
        await self._reads
        await _ready(self)
        self.supervisor.settled()

    async def keep(self) -> None:
        """Keep everything up until something cannot be kept up, which is raised."""
        while True:
            _watched(self.supervisor)
            self.servers.watched()
            if self._reads is not None and self._reads.done():
                self._reads.result()
            await asyncio.sleep(WATCH_SECONDS)

    async def stop(self) -> None:
        """Stop all, by pid."""
        if self._reads is not None:
            self._reads.cancel()
        await self.supervisor.stop()
        await self.servers.stop()


@asynccontextmanager
async def house(
    settings: Settings, env: Mapping[str, str] | None = None, *, waits: bool = True
) -> AsyncIterator[Running]:
    """Servers, seal, engine, workers, projector and API; all stopped, by pid, on the way out.

    It is given when reads are answered; where it does not wait, when sessions run: `Running.begin_reads` starts the
    rest then, and `Running.ready` waits for it.

    Raises:
        Conflict: a house runs on this data folder.
        NotAvailable: `init` never ran here.
        ProcessFailed: something did not start; with the tail of its log.
    """
    clock, places = SystemClock(), Places(settings.folder)
    if (other := running_house(places)) is not None:
        raise Conflict(
            f"A house runs on {places.folder} already, process {other.pid}, API {other.api_url}.",
            hint="Stop it, or name another folder with --data.",
        )
    port = settings.api.port or _free_port(settings.api.host)
    check_port(settings.api.host, port)
    store = market_store_of(settings)
    child_env = {**(env or os.environ), **_as_env(settings, port)}
    limits = SupervisorSettings(**msgspec.structs.asdict(settings.processes))
    servers, supervisor = Servers(settings, clock), Supervisor(places.logs, clock, child_env, limits)
    processes = children(settings, store)
    readers = [child for child in processes if child.reads_market]
    running = Running(f"http://{_named(settings.api.host)}:{port}", servers, supervisor, store, readers)
    await servers.start(market=waits)
    try:
        await servers.init() if read_mark(places) else None
        await servers.check()
        await _sealed(places, supervisor)
        await _introduced(settings, clock)
        for child in [child for child in processes if not child.reads_market]:
            supervisor.start(child)
        if waits:
            running.begin_reads()
        async with attended(settings, supervisor, servers, clock):
            if waits:
                await running.ready()
            write_house(places, HouseFile(os.getpid(), running.url, store))
            yield running
    finally:
        forget_house(places)
        await running.stop()


def children(settings: Settings, market_store: str) -> list[ChildSpec]:
    """The processes of a house on this machine, without the seal."""
    workers = settings.engine.workers or len(os.sched_getaffinity(0))
    roles = {"api": "api", "engine": "engine", **{f"worker-{number}": "worker" for number in range(workers)}}
    if market_store == "questdb":
        roles["projector"] = "projector"
    return [
        ChildSpec(name, ("run", role, "--name", name), reads_market=role in ("api", "projector"))
        for name, role in roles.items()
    ]


async def _sealed(places: Places, supervisor: Supervisor) -> None:
    """Start the process that seals, and wait until it does: nothing is commanded before. Raises ProcessFailed."""
    supervisor.start(ChildSpec("seal", ("run", "seal", "--name", "seal"), outlives=True))
    deadline = asyncio.get_running_loop().time() + SEALED_SECONDS_MAX
    while asyncio.get_running_loop().time() < deadline:
        owner = owner_of(places)
        if owner is not None and owner.state == "sealing" and owner.pid == supervisor.pids().get("seal"):
            return
        _watched(supervisor)
        await asyncio.sleep(0.02)
    raise ProcessFailed(f"Nothing was sealed within {SEALED_SECONDS_MAX:.0f} s.\n{supervisor.log_tail('seal')}")


async def _introduced(settings: Settings, clock: Clock) -> None:
    """Whoever asks the API first finds the instruments of the configured sources."""
    connection = await bootstrap.connect(settings, "admin", clock)
    try:
        await bootstrap.introduce(settings, connection, clock)
    finally:
        await connection.close()


def _watched(supervisor: Supervisor) -> None:
    """Start again what ended. Raises ProcessFailed where that is of no use."""
    supervisor.watch()
    if supervisor.gave_up is not None:
        raise supervisor.gave_up


def _as_env(settings: Settings, port: int) -> dict[str, str]:
    """The settings as one private variable: children read what the parent read, and no file twice."""
    whole = msgspec.structs.replace(settings, api=msgspec.structs.replace(settings.api, port=port))
    return {"TAPEDECK_SETTINGS": msgspec.json.encode(whole).decode()}


class _Health(msgspec.Struct):
    """What the wait for the API asks of its health."""

    ready: bool
    components: dict[str, dict[str, object]]


async def _ready(running: Running) -> None:
    """Wait until the API answers reads, however long it takes to catch up; says how far it is meanwhile.

    Raises:
        ProcessFailed: it did not answer at all within the bound, or cannot be kept up.
    """
    told = 0.0
    deadline = asyncio.get_running_loop().time() + READY_SECONDS_MAX
    async with httpx.AsyncClient() as client:
        while (now := asyncio.get_running_loop().time()) < deadline:
            with contextlib.suppress(httpx.HTTPError, msgspec.MsgspecError):
                answer = await client.get(f"{running.url}/api/health", timeout=2.0)
                health = msgspec.json.decode(answer.content, type=_Health)
                if health.ready:
                    return
                model = health.components.get("read_model", {})
                if model.get("status") in ("failed", "down"):
                    raise ProcessFailed(f"The read model cannot follow the tape: {model.get('detail')}")
                deadline = now + READY_SECONDS_MAX
                if now - told >= CATCHING_UP_SECONDS:
                    told = now
                    click.echo(f"The read model is {model.get('lag')} events behind the tape ...", err=True)
            _watched(running.supervisor)
            await asyncio.sleep(0.05)
    raise ProcessFailed(
        f"The API did not answer within {READY_SECONDS_MAX:.0f} s.\n{running.supervisor.log_tail('api')}"
    )


def _named(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def check_port(host: str, port: int) -> None:
    """Raises Conflict where the port cannot be listened on; port 0 always can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Conflict(
                f"Port {port} on {host} cannot be used: {error.strerror}.",
                code="PORT_TAKEN",
                hint="Stop what listens there, or set TAPEDECK_API_PORT to another port (0: any free one).",
            ) from None


@click.command("up", epilog="Example: `tapedeck --data ~/trading up`")
@click.option("--init", "initialise", is_flag=True, help="Make a new tape first where this data folder has none.")
@click.pass_obj
def up(settings: Settings, initialise: bool) -> None:
    """Run servers, seal, engine, workers, projector and API until Ctrl-C."""
    run(_up(settings, initialise))


async def _up(settings: Settings, initialise: bool) -> None:
    places = Places(settings.folder)
    if initialise and read_mark(places) is None:
        await initialised(settings)
    async with house(settings) as running:
        click.echo(f"Tapedeck runs: {running.url}  (docs {running.url}/docs)")
        if line := store_line(settings, running.market_store):
            click.echo(line)
        click.echo(f"Admin password: {places.password}   Stop with Ctrl-C.")
        await running.keep()


async def initialised(settings: Settings) -> None:
    """Make the tape and the admin of a new data folder."""
    from api.services.founding import found

    servers = Servers(settings, SystemClock())
    await servers.reached()  # the market store too: nothing is begun that cannot be gone on with
    await servers.start(market=False)
    try:
        await found(settings, SystemClock())
    finally:
        await servers.stop()
