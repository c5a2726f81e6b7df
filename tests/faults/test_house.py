"""A whole house as `tapedeck up` starts it: its processes by name, restarted and rebuilt while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from api.bootstrap import Connection, connect
from api.cli.up import Running, house, initialised
from api.places import Places
from api.processes.signs import Sign, all_signs, host_name
from api.services.commands import Commands
from api.settings import ApiSettings, EngineSettings, MarketSettings, Settings
from events import codec, subjects
from events.clock import SystemClock
from events.errors import InvalidInput, TapeUnavailable
from events.facts import Fact
from events.facts.house import ProcessRestarted, ReadModelRebuilt, RestartFailed, RestartProcess

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

SECONDS_MAX = 60.0
QUICK = {"fast": 2, "slow": 5}  # trades often
NAMES = {"supervisor", "seal", "api", "engine", "worker-0"}


class Up:
    """A house that runs, and a line to its tape."""

    def __init__(self, settings: Settings, running: Running, line: Connection) -> None:
        self.settings = settings
        self.running = running
        self.line = line

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait for something, bounded."""
        async with asyncio.timeout(SECONDS_MAX):
            while not await holds():  # noqa: ASYNC110 - of other processes
                await asyncio.sleep(0.1)

    async def signs(self) -> dict[str, Sign]:
        """Signs of life by name."""
        return {sign.name: sign for sign in await all_signs(self.line.keys)}

    async def health(self) -> dict[str, Any]:
        """What the API says."""
        async with httpx.AsyncClient() as client:
            found: dict[str, Any] = (await client.get(f"{self.running.url}/api/health", timeout=10)).json()
            return found

    async def restart(self, process: str, key: str, host: str = "") -> int:
        """Send the command; the sequence of its answer."""
        commands = Commands(self.line.tape, 10, SystemClock())
        await commands.start()
        try:
            order = RestartProcess(key=key, user="ann", process=process, host=host or host_name())
            return (await commands.send(order))[1]
        finally:
            await commands.close()

    async def said(self, answered: int, kind: type[Fact]) -> list[Any]:
        """Facts of a kind behind an answer, as soon as there is one."""
        found: list[Any] = []

        async def there() -> bool:
            found.clear()
            try:
                async for message in self.line.tape.read(answered, subjects=(subjects.HOUSE,)):
                    fact = codec.decode(message.body, message.sequence)
                    if isinstance(fact, kind):
                        found.append(fact)
            except TapeUnavailable:  # the test's own line comes back a moment after its server
                return False
            return bool(found)

        await self.until(there)
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def up(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Up]:
    """A house of one worker with the market store in DuckDB."""
    settings = Settings(
        data=str(tmp_path_factory.mktemp("house")),
        api=ApiSettings(port=0),
        engine=EngineSettings(workers=1),
        market=MarketSettings(store="duckdb"),
    )
    await initialised(settings)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(house(settings))
        keeping = asyncio.create_task(running.keep())
        stack.callback(keeping.cancel)
        line = await connect(settings, "admin", SystemClock())
        stack.push_async_callback(line.close)
        made = Up(settings, running, line)

        async def all_there() -> bool:
            return set(await made.signs()) == NAMES

        await made.until(all_there)
        yield made


async def test_health_names_every_process(up: Up) -> None:
    """Health lists supervisor, seal, engine, worker and API, each with its role, and all is well."""

    async def well() -> bool:
        return (await up.health())["status"] == "ok"

    await up.until(well)
    health = await up.health()
    assert {one["name"] for one in health["processes"]} == NAMES
    assert all(one["status"] == "ok" for one in health["processes"])
    assert health["components"]["processes"]["detail"] == f"{len(NAMES)} processes"


@pytest.mark.parametrize("name", ["worker-0", "engine", "seal"])
async def test_a_process_is_restarted_by_name(up: Up, name: str) -> None:
    """The named process runs under another pid, the others stay, and the tape says who asked for it."""
    before = await up.signs()
    answered = await up.restart(name, f"restart-{name}")
    (fact,) = await up.said(answered, ProcessRestarted)
    assert (fact.process, fact.user, fact.host) == (name, "ann", host_name())
    assert fact.pid != before[name].pid

    async def shown() -> bool:
        return (await up.signs()).get(name, before[name]).pid == fact.pid

    await up.until(shown)
    after = await up.signs()
    assert {other: after[other].pid for other in NAMES - {name}} == {
        other: before[other].pid for other in NAMES - {name}
    }
    assert await up.restart(name, f"restart-{name}") > answered, "the same key is answered again"
    assert (await up.signs())[name].pid == fact.pid, "and restarts nothing again"


async def test_the_server_of_the_tape_is_restarted_over_http(up: Up) -> None:
    """nats-server runs under another pid, no process of ours ends, and the tape goes on; a foreign store is refused."""
    before, server = await up.signs(), up.running.servers.pids()["nats-server"]
    places = Places(up.settings.folder)
    async with httpx.AsyncClient(base_url=up.running.url, timeout=30) as client:
        login = {"username": "admin", "password": places.password.read_text().strip()}
        token = (await client.post("/api/auth/login", json=login)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        metrics = (await client.get("/api/components/tape/metrics")).json()
        assert [one["name"] for one in metrics["processes"]] == ["nats-server"]
        asked = (await up.line.tape.info()).last
        answer = await client.post("/api/components/tape/restart", headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["processes"] == ["nats-server"]
        (fact,) = [one for one in await up.said(asked + 1, ProcessRestarted) if one.process == "nats-server"]
        assert fact.pid == up.running.servers.pids()["nats-server"] != server

        async def well() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return (await up.health())["status"] == "ok"
            return False

        await up.until(well)
        after = await up.signs()
        assert {name: sign.pid for name, sign in after.items()} == {name: sign.pid for name, sign in before.items()}
        body = {"mode": "paper"}
        assert (await client.post("/api/system/mode", headers=headers, json=body)).status_code == 200


async def test_times_of_every_process_are_told(up: Up) -> None:
    """A session's orders, the projections and a job that engine, worker and API did are counted where one asks."""
    password = Places(up.settings.folder).password.read_text().strip()
    async with httpx.AsyncClient(base_url=up.running.url, timeout=30) as client:
        token = (await client.post("/api/auth/login", json={"username": "admin", "password": password})).json()
        headers = {"Authorization": f"Bearer {token['access_token']}", "Content-Type": "application/json"}
        body = {"mode": "paper", "source": "simulated", "strategies": [{"strategy": "ema_cross", "params": QUICK}]}
        answer = await client.post("/api/sessions", headers=headers, json=body)
        assert answer.status_code == 200, answer.text
        session = answer.json()["session"]

        async def counted(*metrics: str) -> bool:
            text = (await client.get("/api/metrics")).text
            found = {name: re.findall(rf"^tapedeck_{name}_count{{.*}} ([0-9]+)$", text, re.M) for name in metrics}
            return all(any(int(count) for count in counts) for counts in found.values())

        await up.until(lambda: counted("tick_to_order_seconds", "projection_seconds"))
        assert (await client.post(f"/api/sessions/{session}/stop", headers=headers)).status_code == 200

        async def asked() -> bool:  # refused until the session is over
            job = await client.post("/api/jobs/montecarlo", headers=headers, json={"session": session})
            return job.status_code == 200

        await up.until(asked)
        await up.until(lambda: counted("job_wait_seconds", "job_run_seconds"))


async def test_a_killed_seal_is_started_again(up: Up) -> None:
    """Killed in a house that runs, the seal goes on in another process; nothing else ends."""
    before = await up.signs()
    os.kill(before["seal"].pid, signal.SIGKILL)

    async def again() -> bool:
        return (await up.signs()).get("seal", before["seal"]).pid != before["seal"].pid

    await up.until(again)
    after = await up.signs()
    assert {name: after[name].pid for name in NAMES - {"seal"}} == {name: before[name].pid for name in NAMES - {"seal"}}


async def test_what_cannot_be_restarted_is_told(up: Up) -> None:
    """An unknown name leads to a fact that says what there is; a name that is none is refused."""
    answered = await up.restart("nobody", "restart-nobody")
    (fact,) = await up.said(answered, RestartFailed)
    assert "worker-0" in fact.reason
    with pytest.raises(InvalidInput, match="process"):
        await up.restart("no.body", "restart-no-body")


async def test_read_models_are_rebuilt_while_the_house_runs(up: Up) -> None:
    """`tapedeck rebuild` has the API rebuild both of its read models; reads meanwhile are answered or wait."""
    statuses: set[int] = set()
    reading = asyncio.create_task(_read(up, statuses))
    command = [sys.executable, "-m", "api.cli", "--data", up.settings.data, "rebuild", "--json"]
    env = {**os.environ, "TAPEDECK_MARKET_STORE": "duckdb"}
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, env=env)
        told, _ = await process.communicate()
        assert process.returncode == 0
        done = msgspec.json.decode(told)
        assert done["market_store"] == "duckdb"
        assert done["read_model_hash"]
        assert done["market_hash"]
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading
    assert statuses <= {200, 503}
    assert 200 in statuses
    facts = await up.said(1, ReadModelRebuilt)
    assert [(fact.model, fact.process, fact.user) for fact in facts].count(("read_model", "api", "admin")) == 2
    assert [(fact.model, fact.process, fact.user) for fact in facts].count(("market", "api", "admin")) == 2


async def _read(up: Up, statuses: set[int]) -> None:
    async with httpx.AsyncClient() as client:
        while True:
            answer = await client.get(f"{up.running.url}/api/sessions", timeout=10)
            statuses.add(answer.status_code)
            await asyncio.sleep(0.01)
