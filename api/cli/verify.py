"""`tapedeck verify`: sessions decided again and compared with the tape, row by row."""

from __future__ import annotations

import click

from api.cli.telling import json_option, progress, say, say_json
from api.settings import Settings
from engine.research.verify import Verdict

NOT_EQUAL = 9  # exit code


@click.command("verify", epilog="Example: `tapedeck verify exec_20251118_150123_xyz789`")
@click.argument("sessions", nargs=-1, required=True, metavar="SESSION...")
@json_option
@click.pass_obj
def verify(settings: Settings, sessions: tuple[str, ...], as_json: bool) -> None:
    """Decide sessions again and compare every row with the tape.

    Prints the decision hash, or the first row that differs: its kind, ordinal, field and both values. Exit code 9
    where one differs or cannot be compared.
    """
    from api.cli.running import run

    verdicts = run(_verify(settings, sessions))
    if as_json:
        say_json(verdicts)
    else:
        from engine.research.outcome import verified_line

        for one in verdicts:
            say(verified_line(one))
    if not all(one.equal for one in verdicts):
        click.get_current_context().exit(NOT_EQUAL)


async def _verify(settings: Settings, sessions: tuple[str, ...]) -> list[Verdict]:
    from api.cli.opened import opened
    from engine.research import verify as verifying

    verdicts = []
    async with opened(settings) as tools:
        for session in sessions:
            with progress(f"verify {session}", "rows") as bar:
                verdicts.append(
                    await verifying.verify(tools.connection.tape, tools.reader, tools.decider, session, bar)
                )
        for found in verdicts:  # behind all of them: an unknown session among them leaves the tape as it was
            await verifying.keep(tools.connection.tape, tools.clock, found)
    return verdicts
