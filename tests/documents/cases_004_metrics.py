"""Contract 004, metrics: the text that Prometheus reads, the same as JSON, and a board that names nothing else."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from api.processes.signs import host_name
from engine.jobs.life import JobState
from events.durations import JOB_SECONDS, Durations, order_durations
from events.errors import ReadModelUnavailable
from projections.latency import METRIC
from tests.api.worlds import World
from tests.documents.cases_003_operations import NAMES, processes

BOARD = Path(__file__).parent.parent.parent / "deploy" / "grafana.json"
LINE = re.compile(r"([a-z_]+)(\{([a-z]+=\"[^\"]*\",?)*\})? (-?[0-9.e+-]+|NaN)")


async def text(made: World) -> str:
    """The exposition."""
    answer = await made.get("/api/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


def values(found: str) -> dict[str, float]:
    """Samples by name and labels; every line is one, or a help, or a type that comes once and before its samples."""
    samples: dict[str, float] = {}
    typed: list[str] = []
    for line in found.splitlines():
        if line.startswith("# TYPE "):
            typed.append(line.split()[2])
        elif not line.startswith("# HELP "):
            match = LINE.fullmatch(line)
            assert match, line
            assert match[1] == typed[-1] or match[1].removeprefix(typed[-1]) in ("_bucket", "_sum", "_count"), line
            name = line.rpartition(" ")[0]
            assert name not in samples, name
            samples[name] = float(match[4])
    assert len(typed) == len(set(typed))
    assert found.endswith("\n")
    return samples


async def exposes(made: World) -> None:
    """What is counted is what was done: requests, appends, sessions, decisions."""
    async with processes(made):
        before = values(await text(made))
        assert (await made.get("/api/health")).status_code == 200
        assert (await made.get("/api/sessions/nosuch")).status_code == 404
        after = values(await text(made))
        told = (await made.client.get("/api/metrics", headers={"Accept": "application/json"})).json()
    good, missing = (
        'tapedeck_requests_total{method="GET",status="200"}',
        'tapedeck_requests_total{method="GET",status="404"}',
    )
    assert after[good] - before.get(good, 0) == 2  # the health, and the exposition before
    assert after[missing] - before.get(missing, 0) == 1
    assert after["tapedeck_request_seconds_count"] - before["tapedeck_request_seconds_count"] == 3
    assert after['tapedeck_request_seconds_bucket{le="+Inf"}'] == after["tapedeck_request_seconds_count"]
    assert after["tapedeck_tape_appends_total"] == await made.last()
    assert after['tapedeck_component_up{component="tape"}'] == 1
    await times_commands(made)
    listened = {name for name in after if name.startswith("tapedeck_stream_clients")}
    assert listened == {f'tapedeck_stream_clients{{stream="{name}"}}' for name in ("tape", "jobs", "logs", "sockets")}
    measured = [name for name in after if name.startswith("tapedeck_process_resident_bytes")]
    assert len(measured) == len(NAMES)
    assert after['tapedeck_component_lag_events{component="read_model"}'] == 0
    states = {name for name in after if name.startswith("tapedeck_jobs")}
    assert states == {f'tapedeck_jobs{{state="{state}"}}' for state in JobState}  # empty ones too
    await goes_on_without_the_read_model(made)
    names = {one["name"] for one in told["metrics"]}
    assert {name.partition("{")[0] for name in after} <= names
    assert {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in names} <= set(
        told["help"]
    )


async def times_commands(made: World) -> None:
    """How long a command took to be on the tape, and then to be answered, is counted once a command."""
    before = values(await text(made))
    taken = await made.post("/api/instruments", {"symbol": "TIMED_USDT", "exchange": "mexc"}, "admin")
    assert taken.status_code in (200, 201), taken.text
    after = values(await text(made))
    for name in ("tapedeck_append_seconds", "tapedeck_command_answer_seconds"):
        assert after[f"{name}_count"] - before[f"{name}_count"] == 1
        assert after[f'{name}_bucket{{le="+Inf"}}'] == after[f"{name}_count"]
        assert after[f"{name}_sum"] > before[f"{name}_sum"]


async def suits_the_board(made: World) -> None:
    """Every metric that the board in `deploy` draws is exposed by a house that has done something."""
    board = msgspec.json.decode(BOARD.read_bytes())
    body = {"mode": "paper", "recording": "rec_" + "a" * 16, "strategies": [{"strategy": "ema_cross"}]}
    assert (await made.post("/api/sessions", body)).status_code == 200
    await made.caught_up()
    jobs = tuple(Durations(f"tapedeck_job_{each}_seconds", JOB_SECONDS) for each in ("wait", "run"))
    told = {
        "engine": (order_durations().timing(),),
        "worker": tuple(each.timing() for each in jobs),
        "api": (made.house.runner.latency.took.timing(), Durations("of_another_release", JOB_SECONDS).timing()),
    }
    async with processes(made, timings=told):
        found = await text(made)
    shown = values(found)[f'{METRIC}_count{{projection="read_model",process="api",host="{host_name()}"}}']
    assert shown > 0, "what was appended by now was shown"
    assert "of_another_release" not in found
    there = set(re.findall(r"^# HELP (tapedeck_[a-z_]+)", found, re.M))
    drawn = {
        name.removesuffix("_bucket")
        for one in board["panels"]
        for each in one["targets"]
        for name in re.findall(r"tapedeck_[a-z_]+", each["expr"])
    }
    assert len(drawn) >= 10
    assert drawn - there <= {"tapedeck_component_lag_seconds"}, "not exposed"
    assert there <= drawn, "not drawn"


async def goes_on_without_the_read_model(made: World) -> None:
    """What counts rows is left out while they cannot be read; the tape and the components are told."""
    run = made.house.reader.run

    async def away(*_: object) -> None:
        raise ReadModelUnavailable("It is rebuilt.")

    made.house.reader.run = away  # type: ignore[method-assign, assignment]
    try:
        found = values(await text(made))
        state = await made.get("/api/system/status")
        past = await made.get("/api/system/status?as_of=1")
    finally:
        made.house.reader.run = run  # type: ignore[method-assign]
    assert (state.status_code, past.status_code) == (200, 503)
    assert (state.json()["reason"], state.json()["mode"], state.json()["sessions"]) == ("It is rebuilt.", None, [])
    assert state.json()["components"]["tape"] == "ok"
    assert found["tapedeck_tape_appends_total"] > 0
    assert 'tapedeck_component_up{component="tape"}' in found
    assert not any(name.startswith("tapedeck_sessions") for name in found)


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s4.metrics": exposes,
    "s4.rule.prometheus": suits_the_board,
}
