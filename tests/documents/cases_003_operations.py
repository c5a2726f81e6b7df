"""Contract 003, operations: the components, their figures, the restart of one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import msgspec

from api.processes.signs import ROOT, Sign, State, host_name
from events import codec, subjects
from events.durations import Timing
from events.facts.house import RestartAccepted
from tests.api.asgi_socket import connected
from tests.api.worlds import World
from tests.documents.shapes import inventory, misfits

ENTRIES = inventory("s3.")
NAMES = {
    "worker-0": "worker",
    "worker-1": "worker",
    "engine": "engine",
    "seal": "seal",
    "supervisor": "supervisor",
    "api": "api",
    "projector": "projector",
}
NO_TIMINGS: Mapping[str, tuple[Timing, ...]] = {}


@asynccontextmanager
async def processes(
    made: World, *without: str, timings: Mapping[str, tuple[Timing, ...]] = NO_TIMINGS
) -> AsyncIterator[None]:
    """Signs of life of the processes of a house; `timings` by role."""
    host = host_name()
    keys = []
    for name, role in NAMES.items():
        if name not in without:
            keys.append(f"{ROOT}.{host}.{name}")
            sign = Sign(
                name=name,
                role=role,
                host=host,
                pid=os.getpid(),
                started_ns=made.clock.now_ns() - 90 * 10**9,
                state=State(timings=timings.get(role, ())),
            )
            await made.liveness.put(keys[-1], msgspec.json.encode(sign))
    try:
        yield
    finally:
        for key in keys:
            await made.liveness.delete(key)


async def tells_its_status(made: World) -> None:
    """Every component by id; what shows no sign of life does not run, and is an error."""
    async with processes(made, "seal"):
        answer = await made.get("/api/status")
    assert answer.status_code == 200, answer.text
    assert misfits(answer.json(), ENTRIES["s3.status"]["response_shape"]) == []
    found = answer.json()["components"]
    assert {"tape", "read_model", "market", "engine", "worker", "api", "streams", "seal"} <= set(found)
    assert (found["seal"]["running"], found["seal"]["status"]) == (False, "error")
    assert (found["worker"]["running"], found["worker"]["status"]) == (True, "ok")
    assert found["worker"]["uptime"].startswith("1m ")
    assert found["tape"]["uptime"] == "unknown"


async def lists_components(made: World) -> None:
    """The same as a list with their ids; whether each can be restarted."""
    async with processes(made):
        answer = await made.get("/api/components")
    assert answer.status_code == 200, answer.text
    found = {one["id"]: one for one in answer.json()["components"]}
    assert len(found) == answer.json()["total"]
    assert (found["worker"]["restartable"], found["tape"]["restartable"]) == (True, False)


async def measures_a_component(made: World) -> None:
    """How far it has come and what its processes use; an id that is not there is a 404 that says which are."""
    async with processes(made):
        workers = (await made.get("/api/components/worker/metrics")).json()
        tape = (await made.get("/api/components/tape/metrics")).json()
    assert [one["name"] for one in workers["processes"]] == ["worker-0", "worker-1"]
    assert all(one["memory_bytes"] > 1_000_000 and one["uptime_seconds"] >= 90 for one in workers["processes"])
    assert tape["metrics"]["sequence"] > 0
    assert type(tape["metrics"]["sequence"]) is int
    missing = await made.get("/api/components/redis/metrics")
    assert (missing.status_code, missing.json()["field"]) == (404, "component_id")
    assert "read_model" in missing.json()["detail"]


async def restarts_a_component(made: World) -> None:
    """A restart is on the tape for each of its processes, once under one key; by a trader, and where it is possible."""
    path = "/api/components/{}/restart"
    async with processes(made):
        before = await made.last()
        key = {"Idempotency-Key": "restart-1"}
        answer = await made.post(path.format("worker"), None, **key)
        assert answer.status_code == 200, answer.text
        assert answer.json()["processes"] == ["worker-0", "worker-1"]
        assert await _accepted(made, before) == ["worker-0", "worker-1"]
        assert (await made.post(path.format("worker"), None, **key)).json() == answer.json()
        assert await _accepted(made, before) == ["worker-0", "worker-1"]
        last = await made.last()
        assert (await made.post(path.format("tape"), None)).status_code == 409
        assert (await made.post(path.format("redis"), None)).status_code == 404
        assert (await made.post(path.format("worker"), None, "viewer")).status_code == 403
        assert (await made.client.post(path.format("worker"))).status_code == 401
    async with processes(made, "supervisor"):
        assert (await made.post(path.format("worker"), None)).json()["error_code"] == "NO_SUPERVISOR"
    assert await made.last() == last


async def _accepted(made: World, after: int) -> list[str]:
    found = [
        codec.decode(one.body, one.sequence)
        async for one in made.tape.read(after + 1, subjects=(subjects.HOUSE,), end=await made.last())
    ]
    return [one.process for one in found if isinstance(one, RestartAccepted)]


async def monitors(made: World) -> None:
    """The status at once and again, and each signal of a session, as `{type, payload}`, and nothing else."""
    async with connected(made.app, "/api/ws/monitor") as socket:
        first = await socket.receive()
        assert misfits(first, ENTRIES["s3.ws.monitor.system_status"]["response_shape"]) == []
        await signalled(made)
        while (told := await socket.receive(10.0))["type"] != "signal":
            assert told["type"] == "system_status"
        assert misfits(told, ENTRIES["s3.ws.monitor.signal"]["response_shape"]) == []
        await socket.send({"type": "ping"})
        while (await socket.receive(10.0))["type"] != "pong":
            pass


async def signalled(made: World) -> str:
    """Run a paper session over the recording, whose pump gives signals; its id."""
    recorded = (await made.get("/api/data-collection/sessions")).json()["sessions"]
    recording = next(one["session_id"] for one in recorded if one["status"] == "completed")
    body = {
        "session_type": "paper",
        "symbols": ["ETH_USDT"],
        "strategy_config": {"strategies": ["pump_v2"]},
        "config": {"session_id": recording, "acceleration_factor": 0},
    }
    answer = await made.post("/sessions/start", body)
    assert answer.status_code == 200, answer.text
    name: str = answer.json()["data"]["data"]["session_id"]
    return name


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s3.status": tells_its_status,
    "s3.components": lists_components,
    "s3.components.metrics": measures_a_component,
    "s3.components.restart": restarts_a_component,
    "s3.ws.monitor": monitors,
    "s3.ws.monitor.system_status": monitors,
    "s3.ws.monitor.signal": monitors,
}
