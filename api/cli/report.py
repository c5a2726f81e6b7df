"""`tapedeck report`: the HTML page of an ended session, out of its log alone."""

from __future__ import annotations

from pathlib import Path

import click

from api.cli.telling import progress, say
from api.settings import Settings


@click.command("report", epilog="Example: `tapedeck report exec_20251118_150123_xyz789 --verify -o report.html`")
@click.argument("session")
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="File; in the data folder else.")
@click.option("--verify", "verified", is_flag=True, help="Decide the session again first and say what came out.")
@click.pass_obj
def report(settings: Settings, session: str, out: Path | None, verified: bool) -> None:
    """Write the HTML report of a session.

    One self-contained page: equity, drawdown, prices with entries and exits, every metric, every trade.
    """
    from api.cli.figures import check_out
    from api.cli.running import run

    check_out(out)
    say(str(run(_report(settings, session, out, verified))))


async def _report(settings: Settings, session: str, out: Path | None, verified: bool) -> Path:
    from api.cli.figures import write_report
    from api.cli.opened import opened
    from engine.research.verify import verify
    from engine.sessions import history as histories
    from events.errors import Conflict

    async with opened(settings) as tools:
        history = await histories.read(tools.connection.tape, session)
        if history.ended is None:
            raise Conflict(f"Session {session} has not ended; its report comes then.", field="session")
        verdict = None
        if verified:
            with progress(f"verify {session}", "rows") as bar:
                verdict = await verify(tools.connection.tape, tools.reader, tools.decider, session, bar)
        return await write_report(tools, history, out, verdict)
