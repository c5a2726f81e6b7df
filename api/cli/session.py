"""`tapedeck session`: start, stop, go on, list and show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from api.cli.asking import (
    limits_of,
    seed_option,
    session_options,
    strategies_of,
    strategy_option,
    symbol_option,
)
from api.cli.telling import json_option, note, progress, say, say_json, say_table
from api.settings import Settings

if TYPE_CHECKING:
    from api.cli.ledger import Listed
    from api.cli.opened import Opened
    from engine.sessions.plan import SessionWish

MODES = ("paper", "collect", "backtest", "live")
STATES = ("started", "running", "suspended", "completed", "stopped", "failed")


@click.group("session")
def session() -> None:
    """Start, stop, list and show sessions."""


@session.command("start", epilog="Example: `tapedeck session start paper -s pump_v2 --source simulated --wait`")
@click.argument("mode", type=click.Choice(MODES))
@strategy_option
@session_options
@click.option("--allocation", "allocations", multiple=True, metavar="ID=SHARE", help="Share of the global cap.")
@symbol_option
@seed_option
@click.option("--source", help="Live source to tail, by its id in the settings.")
@click.option("--recording", help="Recording to read, for a backtest or a paper session over recorded data.")
@click.option("--acceleration", type=float, default=0.0, metavar="X", help="Pace of a recording; 0: at once.")
@click.option("--key", help="Idempotency key: the same key gives the same answer.")
@click.option("--wait", is_flag=True, help="Wait for its end; Ctrl-C stops it.")
@json_option
@click.pass_obj
def start(settings: Settings, /, mode: str, key: str | None, wait: bool, as_json: bool, **options: Any) -> None:
    """Start a session on the house that runs."""
    from api.cli.running import run
    from api.services.acting import check_key
    from engine.sessions.plan import SessionWish

    if key is not None:
        check_key(key, "--key")

    wish = SessionWish(
        mode=mode,  # type: ignore[arg-type]
        strategies=strategies_of(
            options["strategies"], options["params"], options["allocations"], options["timeframe"]
        ),
        symbols=options["symbols"],
        source=options["source"],
        recording=options["recording"],
        acceleration=options["acceleration"],
        limits=limits_of(options["limits"]),
        seed=options["seed"] or 0,
        name=options["name"],
    )
    body = run(_start(settings, wish, key, wait))
    if as_json:
        say_json(body)
    else:
        say(f"session {body['session']} {body['state']} at sequence {body['sequence']}")


async def _start(settings: Settings, wish: SessionWish, key: str | None, wait: bool) -> dict[str, Any]:
    from api.cli import waiting
    from api.cli.opened import opened
    from engine.sessions.plan import plan

    async with opened(settings) as tools:
        _check_house(tools)
        name = waiting.session_name(tools.clock)
        spec = plan(wish, name, waiting.USER, tools.lookups.library())
        if not wait:
            accepted, sequence = await waiting.start(tools, spec, key or "")
            state = "started" if accepted.changed else "was started before with this key"
            return {"session": accepted.session, "state": state, "sequence": sequence, "changed": accepted.changed}
        async with waiting.stopped_with_us(tools, name):
            accepted, sequence = await waiting.start(tools, spec, key or "")
            note(f"session {accepted.session} started")
            with progress("session", "") as bar:
                ended = await waiting.until_over(tools, spec, sequence, bar)
        return {"session": ended.session, "state": ended.reason, "sequence": sequence, "changed": True}


def _check_house(tools: Opened) -> None:
    from events.errors import NotAvailable

    if tools.api_url is None and not tools.settings.tape.url:
        raise NotAvailable(
            f"No house runs on {tools.settings.folder}, so nobody would run the session.",
            code="NO_HOUSE",
            hint="Start one with `tapedeck up`; `tapedeck backtest` needs none.",
        )


@session.command("stop", epilog="Example: `tapedeck session stop exec_20251118_150123_xyz789 --close-positions`")
@click.argument("name", metavar="SESSION")
@click.option("--close-positions/--keep-positions", default=None, help="Else as the session's limits say.")
@json_option
@click.pass_obj
def stop(settings: Settings, name: str, close_positions: bool | None, as_json: bool) -> None:
    """Stop a session. Working orders are cancelled."""
    from api.cli.running import run

    changed = run(_stop(settings, name, close_positions))
    if as_json:
        say_json({"session": name, "changed": changed})
    else:
        say(f"session {name} {'stops' if changed else 'was over already'}")


async def _stop(settings: Settings, name: str, close_positions: bool | None) -> bool:
    from api.cli import waiting
    from api.cli.opened import opened
    from engine.sessions import history as histories

    async with opened(settings) as tools:
        await histories.find(tools.connection.tape, name)
        _check_house(tools)
        return await waiting.stop(tools, name, close_positions)


@session.command("go-on", epilog="Example: `tapedeck session go-on exec_20251118_150123_xyz789`")
@click.argument("name", metavar="SESSION")
@json_option
@click.pass_obj
def go_on(settings: Settings, name: str, as_json: bool) -> None:
    """Let a suspended session go on under the code that is installed now."""
    from api.cli.running import run

    changed = run(_go_on(settings, name))
    if as_json:
        say_json({"session": name, "changed": changed})
    else:
        say(f"session {name} goes on")


async def _go_on(settings: Settings, name: str) -> bool:
    from api.cli import waiting
    from api.cli.opened import opened
    from api.services.suspended import found_code

    async with opened(settings) as tools:
        code_hash = await found_code(tools.connection.tape, name)
        _check_house(tools)
        return await waiting.go_on(tools, name, code_hash)


@session.command("list", epilog="Example: `tapedeck session list --all --mode backtest`")
@click.option("--mode", "modes", multiple=True, type=click.Choice(MODES), help="Only this mode. Repeatable.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only this state. Repeatable.")
@click.option("-a", "--all", "research", is_flag=True, help="Backtests, forks and sweeps too.")
@click.option("-n", "--count", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most.")
@json_option
@click.pass_obj
def list_(settings: Settings, /, research: bool, count: int, as_json: bool, **options: Any) -> None:
    """List sessions, newest first: live, paper and collect."""
    from api.cli.ledger import chosen, listed
    from api.cli.running import run

    found = chosen(run(listed(settings)), options["modes"], options["states"], research)[:count]
    if as_json:
        say_json(found)
    elif found:
        say_table(
            ("session", "mode", "state", "started", "strategies", "symbols", "rows>", "equity>"),
            [_row(one) for one in found],
        )
    else:
        say("No such sessions. --all shows backtests, forks and sweeps too.")


def _row(one: Listed) -> tuple[str, ...]:
    symbols = ", ".join(one.symbols[:3]) + (f" +{len(one.symbols) - 3}" if len(one.symbols) > 3 else "")
    equity = f"{one.equity:,.2f}" if one.equity is not None else ""
    started = one.started[:19]
    return (one.session, one.mode, one.state, started, ", ".join(one.strategies), symbols, f"{one.inputs:,}", equity)


@session.command("show", epilog="Example: `tapedeck session show exec_20251118_150123_xyz789 --json`")
@click.argument("name", metavar="SESSION")
@json_option
@click.pass_obj
def show(settings: Settings, name: str, as_json: bool) -> None:
    """Show one session: what it runs, how far it is, its metrics."""
    from api.cli.running import run

    run(_show(settings, name, as_json))


async def _show(settings: Settings, name: str, as_json: bool) -> None:
    from api.cli.figures import body_of, say_figures
    from api.cli.ledger import of_tape
    from api.cli.running import reached
    from engine.sessions import history as histories

    async with reached(settings) as line:
        history = await histories.read(line.tape, name)
        found = next(one for one in await of_tape(line.tape, name) if one.session == name)
    if as_json:
        say_json({"state": found.state, "error": found.error, **body_of(history)})
        return
    spec = history.started.spec
    say(f"session     {name}  {spec.name}".rstrip())
    say(f"mode        {spec.mode}, {found.state}{': ' + found.error if found.error else ''}")
    for one in spec.strategies:
        say(f"strategy    {one.strategy} {one.params}{' on ' + one.timeframe if one.timeframe else ''}")
    say(f"symbols     {', '.join(found.symbols)}")
    say(f"reads       {spec.input.recording or spec.input.source}")
    say(f"started     {found.started}  by {spec.user}")
    say(f"ended       {found.ended or '-'}")
    if history.ended is not None:
        say(f"hash        {history.ended.decision_hash}")
    say_figures([history], ["value"])
