"""Backtests and walk-forwards that are over, and what contract 002 keeps beside their jobs."""

from __future__ import annotations

from typing import Any

import msgspec

from api.services.job_results import read
from engine.jobs import backtest, walkforward
from engine.jobs.backtest import BacktestBody
from events.errors import Unknown
from projections.duckdb.store import Snapshot
from projections.read_models.jobs import JobRow, job

BACKTEST = backtest.KIND.name
WALKFORWARD = walkforward.KIND.name


class Details(msgspec.Struct, frozen=True):
    """What the contract tells of a job and the job itself does not need."""

    timeframe: str
    config: dict[str, Any]
    lot: float = 1.0  # of results that do not tell their units, which are older: base units of one lot


def finished(snapshot: Snapshot, name: str, kind: str) -> JobRow:
    """A job that has a result. Raises Unknown: there is none, or none yet."""
    try:
        row = job(snapshot, name)
    except Unknown:
        row = None
    if row is None or row.kind != kind:
        raise Unknown(f"There is no {kind} {name[:64]!r}.", field="resultId")
    if row.result is None:
        why = row.error_message or f"It is {row.state}."
        hint = "" if row.ended_ns else f"It is {row.ratio:.0%} done; ask again when it is over."
        raise Unknown(f"The {kind} {name[:64]!r} has no result. {why}", field="resultId", hint=hint)
    return row


def details_of(row: JobRow, body: BacktestBody) -> Details:
    """Of a backtest; one of another contract decides on rows as they come, or as its strategy. Raises Undecodable."""
    if bytes(body.details) == b"null":
        only = body.wish.strategies[0].timeframe if body.wish.strategies else ""
        return Details(only or "tick", msgspec.to_builtins(body.wish))
    return read(body.details, Details, f"The details of job {row.job}", row.sequence)
