"""Contract 002, operations: health in words and what the machine has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import psutil

from events import codec, subjects
from events.facts import Fact
from events.facts.jobs import JobClaimed, JobCompleted, JobFailed, JobProgressed, JobQueued, JobStopped
from tests.api.asgi_socket import Socket, connected
from tests.api.worlds import World
from tests.documents.shapes import inventory, misfits

ENTRIES = inventory("s2.")


# a result as its kind has it, and in the contract's words
FOLD = msgspec.Raw(b'{"total_trades":3,"folds":[{"train_ns":1700000000000000001,"params":{"fast_window":5}}]}')
FOLD_TOLD = {
    "totalTrades": 3,
    "folds": [{"trainTime": "2023-11-14T22:13:20Z", "params": {"fast_window": 5}}],
}


async def is_healthy_in_words(made: World) -> None:
    """Each component in a word, the whole as bad as the worst of them; without a token."""
    answer = await made.get("/api/v1/health")
    assert answer.status_code == 200, answer.text
    assert misfits(answer.json(), ENTRIES["s2.health"]["response_shape"]) == []
    found = answer.json()["data"]
    assert {"tape", "read_model", "market", "engine", "worker", "api", "seal"} <= set(found["components"])
    assert found["components"]["database"] == found["components"]["tape"] == "ok"
    assert found["components"]["seal"] == "error", "nothing seals a tape in memory"
    assert found["status"] == "unhealthy"


async def measures_the_machine(made: World) -> None:
    """The machine's own figures; the keys of a graphics card are there without one."""
    answer = await made.get("/api/v1/metrics/system")
    assert answer.status_code == 200, answer.text
    assert misfits(answer.json(), ENTRIES["s2.metrics.system"]["response_shape"]) == []
    found = answer.json()["data"]
    assert found["cpu"]["cores"] == psutil.cpu_count()
    assert found["memory"]["total"] == psutil.virtual_memory().total
    assert 0 < found["disk"]["used"] <= found["disk"]["total"]


async def tells_of_jobs(made: World) -> None:
    """Who subscribed to a job hears its progress, its log and its end; others nothing, nor behind an unsubscribe."""
    async with connected(made.app) as socket, connected(made.app) as other, connected(made.app) as left:
        for channel in ("backtest", "logs"):
            await socket.send({"type": "subscribe", "channel": channel, "jobId": "done-1"})
            await left.send({"type": "subscribe", "channel": channel, "jobId": "done-1"})
            await left.send({"type": "unsubscribe", "channel": channel, "jobId": "done-1"})
        for each in (socket, other, left):
            await each.send({"type": "ping"})
            await _until(each, "pong")
        await _happens(made, "done-1", JobCompleted(job="done-1", epoch=1, result=FOLD), "walkforward")
        told = await _until(socket, "job_complete")
        for kind in ("job_complete", "log_entry"):
            shape = ENTRIES[f"s2.ws.server.{kind}"]["response_shape"]
            assert [misfit for body in told[kind] for misfit in misfits(body, shape)] == []
        assert told["job_complete"][0]["data"] == {"jobId": "done-1", "status": "completed", "result": FOLD_TOLD}
        for silent in (other, left):
            await silent.send({"type": "ping"})
            assert not {"job_complete", "log_entry"} & set(await _until(silent, "pong"))
        await other.send({"type": "subscribe", "channel": "backtest", "jobId": "done-1"})  # over: told at once
        assert (await _until(other, "job_complete"))["job_complete"] == told["job_complete"]


async def tells_of_failures(made: World) -> None:
    """A job that fails tells how far it was, its code and message."""
    async with connected(made.app) as socket:
        await socket.send({"type": "subscribe", "channel": "training", "jobId": "broken-1"})
        await socket.send({"type": "ping"})
        await _until(socket, "pong")
        end = JobFailed(job="broken-1", epoch=1, code="BROKEN", message="It broke.")
        await _happens(made, "broken-1", end, "walkforward")
        told = await _until(socket, "job_error")
        found = told["job_error"][0]
    progress = {"jobId": "broken-1", "kind": "walkforward", "percent": 50.0, "description": ""}
    assert [one["data"] for one in told["job_progress"]] == [progress]  # figures of another kind are left out
    assert misfits(found, ENTRIES["s2.ws.server.job_error"]["response_shape"]) == []
    assert (found["data"]["error"]["code"], found["data"]["error"]["message"]) == ("BROKEN", "It broke.")


async def _happens(made: World, name: str, end: Fact, kind: str = "backtest") -> None:
    """The life of a job that is too large for any worker here, as a worker elsewhere writes it."""
    facts = (
        JobQueued(job=name, kind=kind, body=msgspec.Raw(b"{}"), user="trader", cores=900.0),
        JobClaimed(job=name, worker="far-1", epoch=1),
        JobProgressed(job=name, epoch=1, ratio=0.5, detail=msgspec.Raw(b'{"bars":400}')),
        end,
    )
    for number, fact in enumerate(facts):
        await made.tape.append(codec.to_append(fact, subjects.job(name), f"{name}-{number}"))


async def tells_of_progress(made: World) -> None:
    """Each step of a job is a line of its log; there is no progress to tell before it has a session."""
    name = f"stopped-{await made.last()}"
    async with connected(made.app) as socket:
        for channel in ("backtest", "logs"):
            await socket.send({"type": "subscribe", "channel": channel, "jobId": name})
        await socket.send({"type": "ping"})
        await _until(socket, "pong")
        await _happens(made, name, JobStopped(job=name, user="trader"))
        told = await _until(socket, "job_complete")
    assert "backtest_progress" not in told
    shape = ENTRIES["s2.ws.server.log_entry"]["response_shape"]
    assert [misfit for body in told["log_entry"] for misfit in misfits(body, shape)] == []
    lines = [one["data"]["message"] for one in told["log_entry"]]
    assert ("far-1" in lines[1], "50%" in lines[2]) == (True, True)
    assert told["job_complete"][0]["data"]["status"] == "stopped"


async def refuses_bad_messages(made: World) -> None:
    """What is malformed is answered with an error, and the socket goes on."""
    async with connected(made.app) as socket:
        for body in (
            {"type": "subscribe"},
            {"type": "subscribe", "channel": "weather", "jobId": "x"},
            {"type": "subscribe", "channel": "logs", "jobId": ""},
            {"type": "subscribe", "channel": "logs", "jobId": 7},
            {"type": "sing"},
        ):
            await socket.send(body)
            assert (await _until(socket, "error"))["error"][0]["error_code"] in ("INVALID_INPUT", "UNKNOWN_TYPE")
        await socket.send({"type": "ping"})
        await _until(socket, "pong")


async def _until(socket: Socket, kind: str) -> dict[str, list[dict[str, Any]]]:
    """All messages by type, to the first of one type."""
    told: dict[str, list[dict[str, Any]]] = {}
    while kind not in told:
        body = await socket.receive(30.0)
        told.setdefault(body["type"], []).append(body)
    return told


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s2.health": is_healthy_in_words,
    "s2.metrics.system": measures_the_machine,
    "s2.ws.client.subscribe": refuses_bad_messages,
    "s2.ws.client.unsubscribe": refuses_bad_messages,
    "s2.ws.server.job_complete": tells_of_jobs,
    "s2.ws.server.backtest_progress": tells_of_progress,
    "s2.ws.server.log_entry": tells_of_progress,
    "s2.ws.server.job_error": tells_of_failures,
}
