"""The components of a house: one registry, of which each contract gives a view of its own (C24).

What is asked of the parts is `checkup`'s; what the processes say of themselves their signs of life.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
import psutil
from msgspec import Meta

from api.house import House
from api.processes.cpu import METER
from api.processes.signs import Sign, State, all_signs, host_name
from api.servers import NATS, QUESTDB, market_store_of
from api.services.acting import key_of_part
from api.services.checkup import VERSION, Checkup, Health
from api.services.child_servers import ChildServer, child_servers
from api.services.upkeep import restart, restart_server
from events.clock import NS_PER_SECOND
from events.durations import Timing
from events.errors import Conflict, NotAvailable, TapedeckError, Unknown

Word = Literal["ok", "warn", "error"]
WORDS: dict[str, Word] = {"ok": "ok", "warn": "warn", "behind": "warn", "down": "error", "failed": "error"}
WORST: tuple[Word, ...] = ("error", "warn", "ok")
# component -> its name and the role of the processes that are it; what has no role is a server that others start
ROLES = {
    "engine": ("Engine", "engine"),
    "worker": ("Workers", "worker"),
    "projector": ("Projector", "projector"),
    "seal": ("Seal", "seal"),
    "supervisor": ("Supervisor", "supervisor"),
}
STREAMS = "Event streams and sockets"
WHERE = {"api": "api", "read_model": "api", "streams": "api"}  # component -> role of the process it lives in


class Figures(msgspec.Struct, frozen=True):
    """What is known of one process, and of it on this machine."""

    name: str
    host: str
    status: str
    uptime_seconds: float
    memory_bytes: Annotated[int | None, Meta(description="resident; null: on another machine")] = None
    cpu_seconds: Annotated[float | None, Meta(description="used since its start; null: on another machine")] = None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One component."""

    id: str
    name: str
    status: Word
    running: bool
    uptime_seconds: float | None  # None: it is a server that does not tell
    version: str
    details: str
    sequence: int | None = None
    lag: int | None = None
    lag_seconds: float | None = None
    processes: tuple[str, ...] = ()  # which a restart restarts


class Registry:
    """All components of the house as this process sees them."""

    def __init__(self, house: House, checkup: Checkup) -> None:
        self._house = house
        self._checkup = checkup
        self._began_ns = house.clock.now_ns()

    async def parts(self) -> list[Part]:
        """Every component, at most as old as a checkup."""
        health = await self._checkup.find()
        signs = await self._signs()
        parts = [self._measured("tape", "Tape", health, ()), *self._stores(health, signs)]
        servers = await child_servers(self._house)
        parts = [self._as_server(part, servers[part.id]) for part in parts]
        parts += [self._of_role(name, title, role, signs, health) for name, (title, role) in self._roles().items()]
        own = [sign for sign in signs if sign.role == "api"]
        parts += [self._api(health, own), self._measured("streams", STREAMS, health, own)]
        return [*parts, self._measured("config", "File of the configuration", health, ())]

    async def part(self, name: str) -> Part:
        """One component. Raises Unknown."""
        parts = await self.parts()
        found = next((part for part in parts if part.id == name), None)
        if found is None:
            known = ", ".join(part.id for part in parts)
            raise Unknown(f"There is no component {name[:64]!r}; there are {known}.", field="component_id")
        return found

    async def figures(self, part: Part | None = None) -> list[Figures]:
        """What is known of a component's processes, or of all."""
        signs = [sign for sign in await self._signs() if part is None or sign.name in part.processes]
        now_ns = self._house.clock.now_ns()
        if part is not None and (server := await self._server(part)) is not None:
            signs.append(server)
        return await asyncio.to_thread(lambda: [_figures(sign, now_ns) for sign in signs])

    async def timings(self) -> list[tuple[str, str, Timing]]:
        """How long things took in the processes that tell: process, host, what."""
        return [(sign.name, sign.host, each) for sign in await self._signs() for each in sign.state.timings]

    async def _server(self, part: Part) -> Sign | None:
        """A server that is a child of the house, as if it showed a sign of life."""
        one = (await child_servers(self._house)).get(part.id)
        if one is None or not one.process or one.started_ns is None:
            return None
        state = State(status="ok" if part.running else "down")
        return Sign(
            name=one.process, role=one.process, host=host_name(), pid=one.pid, started_ns=one.started_ns, state=state
        )

    async def restart(self, user: str, key: str | None, part: Part) -> int:
        """Have a component's processes restarted; the sequence to read from on.

        Raises:
            Conflict: it is a server, or runs where no supervisor does.
            OutcomeUnknown, LimitReached: see `act`.
        """
        if not part.processes:
            message = f"{part.name} ({part.version}) is not run by processes that a supervisor of ours could restart."
            raise Conflict(message, code="NO_SUPERVISOR", hint="Restart it where it was started.")
        sequence = 0
        for name in part.processes:
            try:
                one = restart_server if name in (NATS, QUESTDB) else restart
                done = await one(self._house, user, key_of_part(key, name), name)
            except NotAvailable as error:
                raise Conflict(error.message, code=error.code, hint=error.hint) from None
            sequence = max(sequence, done.sequence)
        return sequence

    # --- one after the other --------------------------------------------------------------------------------------

    def _roles(self) -> dict[str, tuple[str, str]]:
        apart = bool(self._house.beside)  # then the API keeps the market store, and there is no projector
        return {name: value for name, value in ROLES.items() if not (apart and name == "projector")}

    async def _signs(self) -> list[Sign]:
        try:
            return await all_signs(self._house.liveness)
        except TapedeckError:
            return []

    def _stores(self, health: Health, signs: list[Sign]) -> list[Part]:
        own = [sign for sign in signs if sign.role == "api"]
        keeper = own if self._house.beside else [sign for sign in signs if sign.role == "projector"]
        store = "DuckDB" if self._house.beside else market_store_of(self._house.settings)
        title = {"DuckDB": "Market store (DuckDB)", "questdb": "Market store (QuestDB)"}.get(store, "Market store")
        return [
            self._measured("read_model", "Read model (DuckDB)", health, own),
            self._measured("market", title, health, keeper),
        ]

    def _measured(self, name: str, title: str, health: Health, signs: list[Sign] | tuple[()]) -> Part:
        """A component that a checkup asked."""
        one = health.components[name]
        here = name in WHERE or bool(self._house.beside and name == "market")
        return Part(
            id=name,
            name=title,
            status=WORDS[one.status],
            running=one.status != "down",
            uptime_seconds=self._since(signs, here=here),
            version=VERSION,
            details=one.detail or one.status,
            sequence=one.sequence,
            lag=one.lag,
            lag_seconds=one.lag_seconds,
            processes=tuple(sign.name for sign in signs),
        )

    def _as_server(self, part: Part, server: ChildServer) -> Part:
        """With the server's own version, and how long it runs itself where that is known."""
        since = part.uptime_seconds
        if server.started_ns is not None:
            since = round(max(0, self._house.clock.now_ns() - server.started_ns) / NS_PER_SECOND, 3)
        own = part.processes if self._house.beside or part.id != "market" else ()  # QuestDB is no projector
        processes = (server.process,) if server.process else own
        return msgspec.structs.replace(part, version=server.version, uptime_seconds=since, processes=processes)

    def _of_role(self, name: str, title: str, role: str, signs: list[Sign], health: Health) -> Part:
        """A component that is one or more processes."""
        own = [sign for sign in signs if sign.role == role]
        words = {WORDS[sign.state.status] for sign in own}
        details = [f"{sign.name}: {sign.state.detail or sign.state.status}" for sign in own]
        status: Word = next((word for word in WORST if word in words), "error")
        if name == "engine" and own and status == "ok":
            engines = health.components["engines"]
            status, details = WORDS[engines.status], [engines.detail]
        if name == "supervisor" and not own:
            status, details = "warn", ["processes are started and watched by somebody else"]
        return Part(
            id=name,
            name=title,
            status=status,
            running=bool(own),
            uptime_seconds=self._since(own, here=False),
            version=VERSION,
            details="; ".join(details) or "no sign of life",
            sequence=_least(own, lambda sign: sign.state.sequence),
            lag=max((sign.state.lag for sign in own if sign.state.lag is not None), default=None),
            processes=tuple(sign.name for sign in own) if role != "supervisor" else (),
        )

    def _api(self, health: Health, own: list[Sign]) -> Part:
        return Part(
            id="api",
            name="API",
            status="ok" if health.ready else "warn",
            running=True,
            uptime_seconds=self._since(own, here=True),
            version=VERSION,
            details="reads are answered" if health.ready else "not caught up yet",
            processes=tuple(sign.name for sign in own),
        )

    def _since(self, signs: list[Sign] | tuple[()], *, here: bool) -> float | None:
        """Seconds that the one started last has run; of what lives in this process, this one's."""
        started = [sign.started_ns for sign in signs] or ([self._began_ns] if here else [])
        if not started:
            return None
        return round(max(0, self._house.clock.now_ns() - max(started)) / NS_PER_SECOND, 3)


def uptime(seconds: float | None) -> str:
    """Such as `1d 2h 3m 4s`; `unknown` where a server does not tell."""
    if seconds is None:
        return "unknown"
    words: list[str] = []
    whole = int(seconds)
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")):
        count, whole = divmod(whole, length)
        if count or words or unit == "s":
            words.append(f"{count}{unit}")
    return " ".join(words)


def worst(parts: list[Part]) -> Word:
    """The status of the whole."""
    words = {part.status for part in parts}
    return next(word for word in WORST if word in words or word == "ok")


def _least(signs: list[Sign], value: Callable[[Sign], int | None]) -> int | None:
    return min((found for sign in signs if (found := value(sign)) is not None), default=None)


def _figures(sign: Sign, now_ns: int) -> Figures:
    seconds = round(max(0, now_ns - sign.started_ns) / NS_PER_SECOND, 3)
    known = Figures(sign.name, sign.host, sign.state.status, seconds)
    if sign.host != host_name():
        return known
    try:
        process = psutil.Process(sign.pid)
        times = process.cpu_times()
        return msgspec.structs.replace(
            known, memory_bytes=process.memory_info().rss, cpu_seconds=round(times.user + times.system, 2)
        )
    except psutil.Error:
        return known


class Device(msgspec.Struct, frozen=True):
    """Bytes of memory or disk."""

    total: int
    used: int
    percent: float


class Usage(msgspec.Struct, frozen=True):
    """The machine that this process runs on."""

    cores: int
    cpu_percent: float
    memory: Device
    disk: Device
    load: float


def usage(folder: str) -> Usage:
    """CPU (of the last seconds), memory, and the disk of the data folder, now."""
    memory, disk = psutil.virtual_memory(), psutil.disk_usage(folder)
    used = memory.total - memory.available
    return Usage(
        cores=psutil.cpu_count() or 1,
        cpu_percent=METER.percent(),
        memory=Device(memory.total, used, round(100 * used / memory.total, 1)),
        disk=Device(disk.total, disk.used, round(100 * disk.used / disk.total, 1)),
        load=os.getloadavg()[0],
    )
