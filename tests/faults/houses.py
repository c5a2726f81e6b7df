"""A whole house as `tapedeck up` runs it, its processes by name, and a client that repeats until it is answered."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np

from api.cli.up import Running, house, initialised
from api.places import Places
from api.processes.signs import all_signs
from api.settings import ApiSettings, EngineSettings, MarketSettings, ProcessesSettings, Settings, SourceSettings
from events.errors import OperatingError
from events.tape import Keys
from tests.fixtures.waiting import until

ANSWER_SECONDS_MAX = 600.0  # everything may be down at once, and start anew on a busy machine
USER = "admin"
WORK_SECONDS_MAX = 30.0  # after which it is killed all the same
STARTING_RATIO = 0.5  # of kills that meet a process while it starts
SYMBOLS = ("BTC_USDT", "ETH_USDT")
FINAL = frozenset({400, 401, 403, 404, 409, 415, 422})  # a refusal; everything else is asked again


def settings_of(folder: Path, store: Literal["questdb", "duckdb"] = "questdb", acceleration: float = 5.0) -> Settings:
    """Settings of a house of tests: any port, any number of restarts, snapshots often."""
    return Settings(
        data=str(folder),
        log_level="info",
        api=ApiSettings(port=0, answer_seconds_max=5.0),
        engine=EngineSettings(snapshot_rows=20_000, snapshot_messages=200, snapshot_seconds=1.0, rest_seconds=0.2),
        market=MarketSettings(store=store, compiler="quick"),
        processes=ProcessesSettings(restarts_max=100_000, pause_seconds=0.02),
        sources=(SourceSettings(id="sim", kind="simulated", symbols=SYMBOLS, seed=5, acceleration=acceleration),),
    )


@asynccontextmanager
async def real_house(settings: Settings) -> AsyncIterator[Running]:
    """A new data folder's house, kept up while the body runs."""
    await initialised(settings)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(house(settings))
        keeping = asyncio.create_task(running.keep())
        stack.callback(keeping.cancel)
        yield running
        if keeping.done():
            keeping.result()


def pid_of(running: Running, kind: str) -> int | None:
    """Pid of a process of the house now; None while it does not run."""
    if kind == "nats-server":
        return running.servers.nats.pid if running.servers.nats else None
    if kind == "questdb":
        return running.servers.questdb.pid if running.servers.questdb else None
    return running.supervisor.pids().get(kind)


async def at_work(keys: Keys, pid: int) -> bool:
    """Whether a process of ours has begun its work: it shows a sign of life."""
    with suppress(OperatingError):
        return any(sign.pid == pid for sign in await all_signs(keys))
    return False


async def kill_often(
    find: Callable[[], int | None],
    works: Callable[[int], Awaitable[bool]],
    times: int,
    seconds: float,
    chance: np.random.Generator,
) -> None:
    """SIGKILL, so many times: one time in two while it starts, else so many seconds (a mean) after it works again."""
    killed: int | None = None
    for _ in range(times):
        await until(lambda: find() not in (None, killed), 60)
        pid = find()
        if chance.random() > STARTING_RATIO and pid is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(WORK_SECONDS_MAX):
                    while find() == pid and not await works(pid):  # noqa: ASYNC110 - another process
                        await asyncio.sleep(0.1)
        await asyncio.sleep(float(chance.exponential(seconds)))
        if (killed := find()) is not None:
            with suppress(ProcessLookupError):
                os.kill(killed, signal.SIGKILL)


@dataclass
class Client:
    """Asks the house's API; a command without an answer is sent again under its key."""

    running: Running
    http: httpx.AsyncClient
    headers: dict[str, str]
    acknowledged: list[str] = field(default_factory=list)  # keys on the tape, of commands answered with 2xx
    repeats: int = 0

    async def post(self, path: str, body: Any, key: str = "", seen: str = "0") -> httpx.Response:
        """The final answer: 2xx, or a refusal."""
        headers = {**self.headers, "Tape-Min-Sequence": seen, **({"Idempotency-Key": key} if key else {})}
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while True:
                answer = await self._try("POST", path, headers, body)
                if answer is not None and answer.is_success and key:
                    self.acknowledged.append(f"key:{USER}:{key}")
                if answer is not None and (answer.is_success or answer.status_code in FINAL):
                    return answer
                self.repeats += 1
                await asyncio.sleep(0.05)

    async def get(self, path: str) -> Any:
        """The body of a good answer, waited for."""
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while True:
                answer = await self._try("GET", path, self.headers)
                if answer is not None and answer.is_success:
                    return answer.json()
                await asyncio.sleep(0.05)

    async def _try(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> httpx.Response | None:
        with suppress(httpx.TransportError):
            return await self.http.request(method, self.running.url + path, headers=headers, json=body, timeout=10.0)
        return None

    async def start(self, body: dict[str, Any], key: str) -> tuple[str, str]:
        """Start a session: its name, and the sequence from which it can be read."""
        answer = await self.post("/api/sessions", body, key)
        assert answer.is_success, answer.text
        return answer.json()["session"], answer.headers["Tape-Sequence"]


@asynccontextmanager
async def client_of(running: Running, settings: Settings) -> AsyncIterator[Client]:
    """A client that is logged in as admin."""
    password = Places(settings.folder).password.read_text().strip()
    async with httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0)) as http:
        client = Client(running, http, {})
        answer = await client.post("/api/auth/login", {"username": USER, "password": password})
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client
