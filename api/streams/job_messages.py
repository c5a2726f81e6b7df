"""What happens to a job in contract 002's words, on each channel of `/ws`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from api.errors import camel
from api.reading.wording import instant_of
from api.research import backtest_bodies, walkforward_bodies
from api.services.finished import BACKTEST, WALKFORWARD
from api.streams.jobs import JobEvent
from engine.jobs.backtest import BacktestDetail
from engine.jobs.sweep import SweepDetail
from engine.jobs.walkforward import WalkforwardDetail
from events.clock import iso
from events.errors import Undecodable
from events.facts.jobs import JobClaimed, JobCompleted, JobFailed, JobProgressed, JobQueued, JobStopped
from projections.read_models.jobs import JobRow
from projections.read_models.sessions import SessionRow

CHANNELS = ("training", "backtest", "logs")
WORK_CHANNELS = ("training", "backtest")
LOGGER = "jobs"
FIGURES: dict[str, type[msgspec.Struct]] = {"walkforward": WalkforwardDetail, "sweep": SweepDetail}
RESULTS: dict[str, Callable[[JobRow], Any]] = {BACKTEST: backtest_bodies.told, WALKFORWARD: walkforward_bodies.whole}
OWN_NAMES = ("params",)  # fields of results whose content is named by strategies

Figures = TypeVar("Figures", bound=msgspec.Struct)
Told = tuple[str, str, dict[str, Any]]  # channel, type, data


def job_messages(event: JobEvent) -> list[Told]:
    """The messages of one event. A job is told on the channel that its client chose, and in words on `logs`."""
    level, text = _line(event)
    line = {"timestamp": iso(event.at_ns), "level": level, "logger": LOGGER, "message": text, "jobId": event.job.job}
    told: list[Told] = [("logs", "log_entry", line)]
    worded = _worded(event)
    if worded is not None:
        told += [(channel, *worded) for channel in WORK_CHANNELS]
    return told


def worded(value: Any) -> Any:
    """A result in the contract's words: names in camel case, and `firstTime` as text for `first_ns`.

    What JavaScript's numbers would round is no number then. Parameters keep their names: they are the strategy's.
    """
    if isinstance(value, list):
        return [worded(one) for one in value]
    if not isinstance(value, dict):
        return value
    told: dict[str, Any] = {}
    for name, one in value.items():
        if name.endswith("_ns") and isinstance(one, int) and abs(one) < 2**63:
            told[camel(f"{name.removesuffix('_ns')}_time")] = instant_of(one)
        else:
            told[camel(name)] = one if name in OWN_NAMES else worded(one)
    return told


def _worded(event: JobEvent) -> tuple[str, dict[str, Any]] | None:
    job = event.job
    match event.fact:
        case JobProgressed() if job.kind != "backtest":
            return "job_progress", {"jobId": job.job, **_progress(job)}
        case JobProgressed() if event.session is not None:
            return "backtest_progress", {"jobId": job.job, **_figures(event, event.session)}
        case JobCompleted():
            return "job_complete", {"jobId": job.job, "status": "completed", "result": _result(job)}
        case JobStopped():
            return "job_complete", {"jobId": job.job, "status": "stopped", "result": {}}
        case JobFailed():
            error = {"code": job.error_code, "message": job.error_message, "recoverable": False}
            return "job_error", {"jobId": job.job, "error": error}
        case _:
            return None


def _progress(job: JobRow) -> dict[str, Any]:
    """How far a job is of which the contract names no figures: its percentage, in words, and what its kind counts."""
    told = {"kind": job.kind, "percent": round(100 * job.ratio, 1), "description": job.description}
    shape = FIGURES.get(job.kind)
    figures = _detail(job, shape) if shape else None
    return told if figures is None else told | worded(msgspec.to_builtins(figures))


def _detail(job: JobRow, shape: type[Figures]) -> Figures | None:
    """The figures of a job that runs; None where there are none, or others."""
    try:
        return msgspec.json.decode(job.detail, type=shape | None)
    except msgspec.MsgspecError:
        return None


def _result(job: JobRow) -> Any:
    """As the contract's own route words it, where its kind has one and this version can read it."""
    if job.result is None:
        return {}
    if job.kind in RESULTS:
        with suppress(Undecodable):
            return RESULTS[job.kind](job)
    result = msgspec.json.decode(job.result)
    return worded(result) if isinstance(result, dict) else {"value": result}


def _figures(event: JobEvent, session: SessionRow) -> dict[str, Any]:
    """Bars read and to be read; equity as of its newest mark. Before there is a session nobody knows of any equity."""
    current, total = _bars(event, session)
    equity = session.cash if session.equity is None else session.equity
    peak = max(event.peak, session.cash, equity)
    return {
        "currentBar": current,
        "totalBars": total,
        "currentEquity": equity,
        "currentDrawdown": equity / peak - 1 if peak else 0.0,
        "tradesExecuted": session.trades,
    }


def _bars(event: JobEvent, session: SessionRow) -> tuple[int, int]:
    """Read, and to be read: of the bars that were asked for, else of rows, else as its session last told."""
    ratio, inputs = event.job.ratio, session.inputs
    detail = _detail(event.job, BacktestDetail)
    if detail is not None and (total := detail.bars or detail.rows):
        return round(total * ratio), total
    return inputs, round(inputs / ratio) if ratio else inputs


def _line(event: JobEvent) -> tuple[str, str]:
    """Level and text of the line of its log."""
    job = event.job
    match event.fact:
        case JobQueued():
            return "INFO", f"Queued: {job.title or job.kind}"
        case JobClaimed():
            return "INFO", f"Taken up by {job.worker}"
        case JobProgressed():
            return "INFO", f"{job.description or job.title or job.kind} ({job.ratio:.0%})"
        case JobCompleted():
            return "INFO", "Completed"
        case JobStopped():
            return "WARNING", "Stopped"
        case JobFailed():
            return "ERROR", f"Failed: {job.error_message} ({job.error_code})"
        case _:
            return "INFO", type(event.fact).__name__
