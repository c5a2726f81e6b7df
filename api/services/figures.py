"""Figures of the house in the text format of Prometheus: one table of metrics, and their samples now.

Source: the text-based exposition format 0.0.4 of Prometheus.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import structlog

from api.house import House
from api.request_counts import Sample, histogram
from api.services.components import Figures, Part, Registry
from engine.jobs.life import JobState
from engine.sessions.life import SessionState
from events.errors import ReadModelUnavailable
from events.tape import TapeInfo
from projections.duckdb.store import Snapshot

log = structlog.get_logger(__name__)

# a sample of each state, also of those that nothing is in: a series that comes and goes cannot be watched
STATES = (("tapedeck_sessions", "session_states", SessionState), ("tapedeck_jobs", "job_states", JobState))
DECISION_TABLES = {"signal": "signals", "order": "orders", "fill": "fills", "denial": "denials", "mark": "equity"}


class Metric(NamedTuple):
    """One metric: a row of the exposition's table."""

    name: str
    kind: str  # gauge, counter or histogram
    help: str


METRICS = {
    one.name: one
    for one in (
        Metric("tapedeck_tape_appends_total", "counter", "Messages ever appended: the last sequence of the tape."),
        Metric("tapedeck_tape_bytes", "gauge", "Bytes of the tape."),
        Metric("tapedeck_component_up", "gauge", "1 where a component runs and is not in error."),
        Metric("tapedeck_component_sequence", "gauge", "Sequence that a component has reached."),
        Metric("tapedeck_component_lag_events", "gauge", "Events by which a component is behind the tape."),
        Metric("tapedeck_component_lag_seconds", "gauge", "Seconds by which a component is behind the tape."),
        Metric("tapedeck_process_resident_bytes", "gauge", "Resident memory of a process on this machine."),
        Metric("tapedeck_process_cpu_seconds_total", "counter", "CPU seconds of a process on this machine."),
        Metric("tapedeck_sessions", "gauge", "Sessions by state."),
        Metric("tapedeck_session_rows_total", "counter", "Market rows that sessions told to have read."),
        Metric("tapedeck_decisions_total", "counter", "Signals, steps of orders, fills, denials and marks decided."),
        Metric("tapedeck_jobs", "gauge", "Jobs by state."),
        Metric("tapedeck_stream_clients", "gauge", "Clients of this process's event streams and sockets, by stream."),
        Metric("tapedeck_requests_total", "counter", "Requests that this process answered, by method and status."),
        Metric("tapedeck_request_seconds", "histogram", "Time until a request was answered, streams left out."),
        Metric("tapedeck_append_seconds", "histogram", "Time until a command of this process was on the tape."),
        Metric("tapedeck_command_answer_seconds", "histogram", "Time from there until the command was answered."),
        Metric(
            "tapedeck_tick_to_order_seconds", "histogram", "Time from a tick on the tape until its order was there."
        ),
        Metric("tapedeck_projection_seconds", "histogram", "Time from a message on the tape until reads showed it."),
        Metric("tapedeck_job_wait_seconds", "histogram", "Time from a job's request until a worker took it."),
        Metric("tapedeck_job_run_seconds", "histogram", "Time from a worker's taking a job until its end was written."),
    )
}


async def samples(house: House, registry: Registry) -> list[Sample]:
    """Every sample, now."""
    found = list(_of_tape(await house.tape.info()))
    try:
        found += (await house.reader.run(_counted, await house.reader.moment(None, None))).value
    except ReadModelUnavailable as error:  # it is behind, halted or rebuilt: that is what the other figures are for
        log.warning("metrics_without_read_model", error=str(error))
    for part in await registry.parts():
        found += _of_part(part)
    for each in await registry.figures():  # once a process: several components may be in one
        found += _of_process(each)
    found += [Sample("tapedeck_stream_clients", count, (("stream", name),)) for name, count in _clients(house)]
    for name, host, timing in await registry.timings():
        if timing.metric in METRICS:  # a process of another release may tell of others
            found += histogram(timing, (("process", name), ("host", host)))
    for own in (house.commands.appends, house.commands.answers):
        found += histogram(own.timing())
    return [*found, *house.requests.samples()]


def exposition(found: list[Sample]) -> str:
    """The text: each metric once with its help and its type, and its samples behind."""
    lines = []
    for metric in METRICS.values():
        mine = [one for one in found if one.metric == metric.name]
        if mine:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
            lines += [_line(one) for one in mine]
    return "\n".join(lines) + "\n"


def _line(one: Sample) -> str:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in one.labels)
    value = repr(int(one.value)) if float(one.value).is_integer() else repr(float(one.value))
    return f"{one.metric}{one.part}{'{' + labels + '}' if labels else ''} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _of_tape(info: TapeInfo) -> Iterator[Sample]:
    yield Sample("tapedeck_tape_appends_total", info.last)
    yield Sample("tapedeck_tape_bytes", info.size_bytes)


def _of_part(part: Part) -> Iterator[Sample]:
    labels = (("component", part.id),)
    yield Sample("tapedeck_component_up", float(part.running and part.status != "error"), labels)
    for name, value in (("sequence", part.sequence), ("lag_events", part.lag), ("lag_seconds", part.lag_seconds)):
        if value is not None:
            yield Sample(f"tapedeck_component_{name}", value, labels)


def _clients(house: House) -> tuple[tuple[str, int], ...]:
    return (
        ("tape", house.hub.clients),
        ("jobs", house.jobs.clients),
        ("logs", house.logs.clients),
        ("sockets", house.broadcast.clients),
    )


def _of_process(figures: Figures) -> Iterator[Sample]:
    labels = (("process", figures.name), ("host", figures.host))
    if figures.memory_bytes is not None and figures.cpu_seconds is not None:
        yield Sample("tapedeck_process_resident_bytes", figures.memory_bytes, labels)
        yield Sample("tapedeck_process_cpu_seconds_total", figures.cpu_seconds, labels)


def _counted(snapshot: Snapshot) -> list[Sample]:
    """What the read model counts."""
    found = []
    for kind, table in DECISION_TABLES.items():
        column = "sequence_from" if table == "orders" else "sequence"
        count = snapshot.count(f"SELECT count(*) FROM {table} WHERE {column} <= {snapshot.sequence}")
        found.append(Sample("tapedeck_decisions_total", count, (("kind", kind),)))
    for name, table, known in STATES:
        counted = dict(
            snapshot.rows(f"SELECT state, count(*) FROM {table} WHERE {snapshot.current(table)} GROUP BY state")
        )
        found += [Sample(name, counted.get(state, 0), (("state", state),)) for state in known]
    rows = snapshot.count(f"SELECT sum(inputs) FROM session_states WHERE {snapshot.current('session_states')}")
    found.append(Sample("tapedeck_session_rows_total", rows))
    return found
