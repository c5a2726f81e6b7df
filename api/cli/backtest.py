"""`tapedeck backtest`: a recording replayed with strategies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from api.cli.asking import (
    limits_of,
    seed_option,
    session_options,
    strategies_of,
    strategy_option,
    symbol_option,
)
from api.cli.telling import json_option, note, progress, say, say_json
from api.settings import Settings
from engine.sessions.plan import SessionWish


@click.command(
    "backtest",
    epilog="Example: `tapedeck backtest rec_1ddc4b08 -s ema_cross -p fast=20 -l stop_loss_ratio=0.03`",
)
@click.argument("recording")
@strategy_option
@session_options
@click.option("--allocation", "allocations", multiple=True, metavar="ID=SHARE", help="Share of the global cap.")
@symbol_option
@seed_option
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="File of the HTML report.")
@click.option("--no-report", is_flag=True, help="Write no report.")
@json_option
@click.pass_obj
def backtest(settings: Settings, /, recording: str, out: Path | None, as_json: bool, **options: Any) -> None:
    """Replay a recording with strategies; print its metrics.

    RECORDING is its id, or the beginning of it. It runs on the workers of the house, or here where none runs.
    """
    from api.cli.figures import check_out
    from api.cli.running import run

    check_out(out)
    wish = SessionWish(
        mode="backtest",
        recording=recording,
        strategies=strategies_of(
            options["strategies"], options["params"], options["allocations"], options["timeframe"]
        ),
        symbols=options["symbols"],
        limits=limits_of(options["limits"]),
        seed=options["seed"] or 0,
        name=options["name"],
    )
    run(_backtest(settings, wish, None if options["no_report"] else (out,), as_json))


async def _backtest(settings: Settings, wish: SessionWish, report: tuple[Path | None] | None, as_json: bool) -> None:
    from api.cli.figures import body_of, denials_of, say_figures, write_report
    from api.cli.opened import opened
    from api.cli.waiting import USER, run_to_end, session_name, tell_compiling
    from engine.sessions.plan import plan

    async with opened(settings, modes=("backtest",)) as tools:
        spec = plan(wish, session_name(tools.clock), USER, tools.lookups.library())
        tell_compiling(tools, spec)
        began = tools.clock.monotonic_ns()
        with progress("backtest", "") as bar:
            history = await run_to_end(tools, spec, bar)
        seconds = (tools.clock.monotonic_ns() - began) / 1e9
        path = await write_report(tools, history, report[0]) if report else None
    ended = history.ended
    assert ended is not None, "it was waited for"
    if as_json:
        say_json({**body_of(history), "seconds": round(seconds, 3), "report": str(path) if path else None})
        return
    say_figures([history], [spec.name or "value"])
    counts = ", ".join(f"{count:,} {kind}s" for kind, count in ended.counts.items())
    note(f"{ended.inputs:,} rows read in {seconds:.2f} s; {counts}")
    if denied := denials_of(history):
        note(f"denied: {denied}")
    say(f"session  {spec.session}")
    say(f"hash     {ended.decision_hash}")
    if path:
        say(f"report   {path}")
