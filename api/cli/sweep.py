"""`tapedeck sweep`: one strategy, many parameters, one reading of a recording."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from api.cli.asking import grid_of, limits_of, seed_option, session_options, strategies_of, symbol_option
from api.cli.telling import json_option, note, say, say_json, say_table
from api.settings import Settings
from engine.sessions.plan import SessionWish
from events.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from engine.research.sweeping import SweepRow
    from events.facts import SessionSpec

BY = ("return", "sharpe", "drawdown", "realized", "fees", "fills")


@click.command(
    "sweep",
    epilog="Example: `tapedeck sweep rec_1ddc4b08 -s ema_cross -g fast=10,20,30 -g slow=50:200:50`",
)
@click.argument("recording")
@click.option("-s", "--strategy", required=True, metavar="ID", help="Strategy to run.")
@click.option(
    "-g",
    "--grid",
    multiple=True,
    metavar="NAME=VALUES",
    help="Values of a parameter: fast=10,20,30 or fast=10:50:10. Repeatable: all combinations.",
)
@session_options
@symbol_option
@seed_option
@click.option("--by", type=click.Choice(BY), default="return", show_default=True, help="What is best.")
@click.option("-n", "--top", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Rows to print.")
@json_option
@click.pass_obj
def sweep(settings: Settings, /, recording: str, grid: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Run one strategy with many parameters over a recording.

    On all cores, results only. Any row is the backtest with the same parameters, and has its hash.
    """
    from api.cli.running import run

    if not grid:
        raise InvalidInput("Name at least one --grid NAME=VALUES.", field="--grid")
    wish = SessionWish(
        mode="backtest",
        recording=recording,
        strategies=strategies_of((options["strategy"],), options["params"], (), options["timeframe"]),
        symbols=options["symbols"],
        limits=limits_of(options["limits"]),
        seed=options["seed"] or 0,
        name=options["name"],
        grid=grid_of(grid),
    )
    spec, rows, seconds = run(_sweep(settings, wish))
    rows = best(rows, options["by"])
    if as_json:
        say_json({"session": spec.session, "seconds": round(seconds, 3), "rows": rows})
        return
    _say(rows[: options["top"]], sorted({name for one in wish.grid for name in one}))
    note(f"{len(rows)} parameter sets in {seconds:.2f} s")
    say(f"session  {spec.session}")


async def _sweep(settings: Settings, wish: SessionWish) -> tuple[SessionSpec, list[SweepRow], float]:
    from api.cli.opened import opened
    from api.cli.waiting import USER, session_name, start, stopped_with_us, until_over
    from engine.research.sweep_table import table
    from engine.sessions.plan import plan

    async with opened(settings, modes=("backtest",)) as tools:
        spec = plan(wish, session_name(tools.clock, "sweep"), USER, tools.lookups.library())
        note(f"{len(spec.grid)} parameter sets over {spec.input.recording} ...")
        began = tools.clock.monotonic_ns()
        async with stopped_with_us(tools, spec.session):
            _, sequence = await start(tools, spec)
            await until_over(tools, spec, sequence, lambda done, total: None)
        seconds = (tools.clock.monotonic_ns() - began) / 1e9
        if rows := await table(tools.connection.tape, spec.session):
            return spec, rows, seconds
    raise Conflict(f"Sweep {spec.session} was stopped before it had results.", code="STOPPED")


def best(rows: list[SweepRow], by: str) -> list[SweepRow]:
    """The best first; equal ones in the order of the grid."""
    keys: dict[str, Callable[[SweepRow], float]] = {
        "return": lambda row: -row.return_ratio,
        "sharpe": lambda row: math.inf if row.sharpe_ratio is None else -row.sharpe_ratio,
        "drawdown": lambda row: row.drawdown_ratio,
        "realized": lambda row: -row.realized,
        "fees": lambda row: row.fees,
        "fills": lambda row: -row.fills,
    }
    return sorted(rows, key=lambda row: (keys[by](row), row.run))


def _say(rows: list[SweepRow], names: list[str]) -> None:
    cells = [
        (
            *(f"{row.params[name]:.12g}" for name in names),
            f"{100 * row.return_ratio:.2f} %",
            "–" if row.sharpe_ratio is None else f"{row.sharpe_ratio:.2f}",
            f"{100 * row.drawdown_ratio:.2f} %",
            f"{row.equity:,.2f}",
            f"{row.fills:,}",
            f"{row.fees:,.2f}",
            row.decision_hash[:16],
        )
        for row in rows
    ]
    columns = (*(f"{name}>" for name in names), "return>", "sharpe>", "drawdown>", "equity>", "fills>", "fees>", "hash")
    say_table(columns, cells)
