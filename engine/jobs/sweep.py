"""Kind `sweep`: one strategy with many sets of parameters over the same rows; which of them were best."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from engine.jobs.backtest import BacktestBody, planned, strategies_of
from engine.jobs.kind import Kind
from engine.jobs.work import Work
from engine.recordings.stretches import Stretch
from engine.research.sweeping import JOB_CORES_MAX, RUNS_HELD_MAX, SweepRow
from engine.research.walkforward import Objective, Params, ranked
from engine.sessions.plan import GRID_MAX, SessionWish
from events.errors import InvalidInput
from events.facts import SessionSpec

TOP_MAX = 1_000


class SweepBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to replay, as a backtest's, and the sets of parameters to try."""

    backtest: BacktestBody
    grid: Annotated[tuple[Params, ...], Meta(min_length=1, max_length=GRID_MAX)]
    objective: Objective = "return"
    top: Annotated[int, Meta(ge=1, le=TOP_MAX)] = 100  # runs of the result


class SweepDetail(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one that runs: the runs that are under way at once, counted from 1."""

    first_run: int
    last_run: int
    total_runs: int


class SweepResult(msgspec.Struct, frozen=True, kw_only=True):
    """The best runs, best first; `run` is the place in the grid. The tables of `sessions` have all of them."""

    recording: str
    symbols: tuple[str, ...]
    strategies: tuple[str, ...]
    first_ns: int  # of the rows that were read
    last_ns: int
    cash: float
    runs: int
    objective: Objective
    best: tuple[SweepRow, ...]
    sessions: tuple[str, ...]  # one for every `RUNS_HELD_MAX` runs


async def sweep(body: SweepBody, work: Work) -> SweepResult:
    """Run the grid, as many runs at once as are held.

    Raises:
        InvalidInput, Unknown, Conflict: it cannot be planned. SessionBroke: a session did not run to its end.
    """
    wish, found, _ = await planned(body.backtest, work)
    if len(wish.strategies) != 1:
        raise InvalidInput("A sweep runs one strategy.", field="strategies")
    specs: list[SessionSpec] = []
    rows: list[SweepRow] = []
    for first in range(0, len(body.grid), RUNS_HELD_MAX):
        specs.append(await _part(body, wish, work, first))
        table = await work.table(specs[-1].session)
        rows += [msgspec.structs.replace(one, run=first + one.run) for one in table]
    return _result(body, found, specs, rows)


async def _part(body: SweepBody, wish: SessionWish, work: Work, first: int) -> SessionSpec:
    """Run the part of the grid that begins with run `first`; its session."""
    part, whole = body.grid[first : first + RUNS_HELD_MAX], len(body.grid)
    last = first + len(part)
    work.has(SweepDetail(first_run=first + 1, last_run=last, total_runs=whole))
    await work.progress(first / whole, f"Runs {first + 1} to {last} of {whole}")
    spec = await work.plan(msgspec.structs.replace(wish, grid=part), f"part{first // RUNS_HELD_MAX}" if first else "")
    await work.run(spec, (first / whole, last / whole))
    return spec


def _result(body: SweepBody, found: Stretch, specs: list[SessionSpec], rows: list[SweepRow]) -> SweepResult:
    spec = specs[0]
    return SweepResult(
        recording=spec.input.recording or "",
        symbols=tuple(one.symbol for one in spec.instruments),
        strategies=strategies_of(spec),
        first_ns=found.first_ns,
        last_ns=found.last_ns,
        cash=spec.limits.cash,
        runs=len(rows),
        objective=body.objective,
        best=tuple(ranked(rows, body.objective)[: body.top]),
        sessions=tuple(one.session for one in specs),
    )


KIND = Kind(name="sweep", body=SweepBody, do=sweep, cores=float(JOB_CORES_MAX), memory_mb=1_024)
