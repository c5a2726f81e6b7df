"""Sweeps and Monte Carlo simulations as jobs: from what is asked to a job, checked before anything is appended."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from api.house import House
from api.reading.reader import Moment
from api.services.acting import Done
from api.services.backtests import BacktestAsked, bars_field, body_of, check_bars, fixed
from api.services.jobs import Asked, submit
from engine.jobs.backtest import BacktestBody
from engine.jobs.montecarlo import MonteCarloBody
from engine.jobs.sweep import TOP_MAX, SweepBody
from engine.research.montecarlo import BLOCK_MAX, SIMULATIONS_MAX, Method, MonteCarloWish
from engine.research.walkforward import Objective, Params, grid
from engine.sessions.plan import GRID_MAX, configured_wishes
from events.errors import Conflict, InvalidInput
from projections.duckdb.store import Snapshot
from projections.read_models import sessions

SWEEP, MONTE_CARLO = "sweep", "montecarlo"
SESSION_MAX = 128
ENDED = ("completed", "stopped")

Tried = Annotated[tuple[float | int | bool, ...], Meta(min_length=1, max_length=1_000)]


class SweepAsked(BacktestAsked, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to replay, and what to try."""

    grid: Annotated[
        dict[str, Tried], Meta(min_length=1, max_length=8, description="values to try, by parameter: all combinations")
    ]
    objective: Annotated[Objective, Meta(description="what is best")] = "return"
    top: Annotated[int, Meta(ge=1, le=TOP_MAX, description="runs of the result, the best first")] = 100


class MonteCarloAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which session, and how to simulate."""

    session: Annotated[str, Meta(min_length=1, max_length=SESSION_MAX, description="one that ended; a backtest's id")]
    simulations: Annotated[int, Meta(ge=1, le=SIMULATIONS_MAX)] = 1_000
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    ruin_ratio: Annotated[float, Meta(gt=0, lt=1, description="of the capital: equity there or below is ruin")] = 0.5
    method: Annotated[
        Method, Meta(description="what is drawn: trades that ended, or blocks of the returns per period")
    ] = "trades"
    block: Annotated[int, Meta(ge=0, le=BLOCK_MAX, description="returns in a block; 0: the cube root of all")] = 0


async def run_sweep(house: House, asked: SweepAsked, user: str, key: str | None) -> Done:
    """Queue a sweep; `Done.id` is its id.

    Raises:
        InvalidInput: with the field at fault. LimitReached: too many jobs wait.
    """
    await house.lookups.current(house.tape)
    backtest, rows = _tried(house, asked)
    await check_bars(house, backtest, house.lookups.library(), bars_field(asked))
    body = SweepBody(backtest=backtest, grid=rows, objective=asked.objective, top=asked.top)
    title = f"Sweep of {asked.strategy} on {backtest.symbol}: {len(rows)} runs"
    return await submit(house, user, key, Asked(SWEEP, body, title, prefix="sweep_"))


def _tried(house: House, asked: SweepAsked) -> tuple[BacktestBody, tuple[Params, ...]]:
    """The backtest with its strategy as it is configured now, and what differs from run to run. Raises InvalidInput."""
    body, library = body_of(asked), house.lookups.library()
    (only,) = configured_wishes(body.wish.strategies, "backtest", library)
    if only.strategy not in house.lookups.registry:
        fixed(body, library)
    try:
        whole = grid(house.lookups.registry[only.strategy], only.params, asked.grid, GRID_MAX)
    except InvalidInput as error:
        raise InvalidInput(error.message, code=error.code, field="grid", hint=error.hint) from None
    rows = tuple({name: row[name] for name in asked.grid} for row in whole)
    first = msgspec.structs.replace(only, params={**only.params, **rows[0]})
    pinned = msgspec.structs.replace(body, wish=msgspec.structs.replace(body.wish, strategies=(first,)))
    return fixed(pinned, library), rows


async def run_montecarlo(house: House, asked: MonteCarloAsked, user: str, key: str | None) -> Done:
    """Queue a simulation; `Done.id` is its id.

    Raises:
        Unknown: no such session. Conflict: it has not ended, or kept no decisions. LimitReached: too many jobs wait.
    """
    await house.reader.run(lambda snapshot: _check_session(snapshot, asked.session), Moment())
    wish = MonteCarloWish(
        simulations=asked.simulations,
        seed=asked.seed,
        ruin_ratio=asked.ruin_ratio,
        method=asked.method,
        block=asked.block,
    )
    title = f"Monte Carlo of {asked.session}: {asked.simulations} simulations"
    body = MonteCarloBody(session=asked.session, wish=wish)
    return await submit(house, user, key, Asked(MONTE_CARLO, body, title, prefix="mc_"))


def _check_session(snapshot: Snapshot, name: str) -> None:
    row = sessions.session(snapshot, name)
    if row.state not in ENDED:
        raise Conflict(f"Session {name} is {row.state}; one that ended is drawn from.", field="session")
    spec = sessions.spec(snapshot, name)
    if spec.grid or not spec.strategies:
        raise Conflict(f"Session {name} kept no decisions to draw from.", field="session")
