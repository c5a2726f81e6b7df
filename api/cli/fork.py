"""`tapedeck fork`: the market rows of a session again, with something changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from api.cli.asking import (
    limits_of,
    numbers_of,
    seed_option,
    session_options,
    strategies_of,
    strategy_option,
)
from api.cli.telling import json_option, progress, say, say_json
from api.settings import Settings

if TYPE_CHECKING:
    from engine.research.forking import ForkWish
    from engine.sessions.history import History


@click.command("fork", epilog="Example: `tapedeck fork exec_20251118_150123_xyz789 -p fast=30 -l stop_loss_ratio=0.02`")
@click.argument("session")
@strategy_option
@session_options
@seed_option
@click.option("--with-commands", is_flag=True, help="Hand-made orders of the session act before the same rows.")
@json_option
@click.pass_obj
def fork(settings: Settings, /, session: str, as_json: bool, **options: Any) -> None:
    """Run the rows of a session again with something changed.

    What is not named stays as it was. --param alone changes the only strategy of the session.
    """
    from api.cli.running import run

    parent, made = run(_fork(settings, session, wish_of(options)))
    if as_json:
        from api.cli.figures import body_of

        say_json({"parent": body_of(parent), "fork": body_of(made)})
    else:
        _say(parent, made)


def wish_of(options: dict[str, Any]) -> ForkWish:
    """What shall be different. Raises InvalidInput."""
    from engine.research.forking import ForkWish

    limits_of(options["limits"])  # refuses unknown names and bad values before a server starts
    named = options["strategies"]
    return ForkWish(
        strategies=strategies_of(named, options["params"], (), options["timeframe"]) if named else (),
        params={} if named else numbers_of(options["params"], "--param"),
        timeframe=None if named else options["timeframe"],
        limits=numbers_of(options["limits"], "--limit"),
        seed=options["seed"],
        with_commands=options["with_commands"],
        name=options["name"],
    )


async def _fork(settings: Settings, session: str, wish: ForkWish) -> tuple[History, History]:
    from api.cli.opened import opened
    from api.cli.waiting import USER, run_to_end, session_name, tell_compiling
    from engine.research import forking
    from engine.sessions import history as histories

    async with opened(settings, modes=("backtest",)) as tools:
        parent = await histories.read(tools.connection.tape, session)
        spec = forking.fork(parent, wish, session_name(tools.clock, "fork"), USER, tools.lookups.library())
        tell_compiling(tools, spec)
        with progress("fork", "") as bar:
            return parent, await run_to_end(tools, spec, bar)


def _say(parent: History, made: History) -> None:
    from api.cli.figures import say_figures

    say_figures([parent, made], ["session", "fork"])
    assert parent.ended is not None, "only an ended session is forked"
    assert made.ended is not None, "it was waited for"
    same = parent.ended.decision_hash == made.ended.decision_hash
    say(f"session  {parent.started.spec.session}  {parent.ended.decision_hash}")
    say(f"fork     {made.started.spec.session}  {'the same hash' if same else made.ended.decision_hash}")
