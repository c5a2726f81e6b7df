"""The verbs by name, imported when they are used, so that `--help` is quick; and what becomes of their errors."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

INTERRUPTED = 130
BROKEN_PIPE = 141
WORD_MAX = 160  # characters of one word of a message
LONG_WORD = re.compile(rf"\S{{{WORD_MAX + 1},}}")


class Verb(NamedTuple):
    """Where a verb's click command is, and its line of help, equal to the command's own."""

    place: str  # module:attribute
    help: str


SECTIONS: dict[str, dict[str, Verb]] = {
    "Start": {
        "init": Verb("api.cli.init:init", "Make the data folder, the tape and the admin user."),
        "up": Verb("api.cli.up:up", "Run servers, seal, engine, workers, projector and API until Ctrl-C."),
        "demo": Verb(
            "api.cli.demo:demo",
            "Record, trade, replay, verify, fork and report a simulated market; then serve until Ctrl-C.",
        ),
        "doctor": Verb("api.cli.doctor:doctor", "Check this installation and its data; say what to do."),
        "warm-up": Verb("api.cli.warm_up:warm_up", "Compile every decision loop ahead of the first session."),
    },
    "Market data": {
        "import": Verb("api.cli.importing:import_", "Import files of market data, each as a recording, once."),
        "record": Verb("api.cli.recording:record", "Record a source until it ends or Ctrl-C."),
        "recordings": Verb("api.cli.recordings:recordings", "List recordings, or show one."),
        "export": Verb("api.cli.exporting:export", "Write ticks of a recording or rows of a session to a file."),
    },
    "Sessions": {
        "strategies": Verb("api.cli.strategies:strategies", "List strategies, or show one with its parameters."),
        "backtest": Verb("api.cli.backtest:backtest", "Replay a recording with strategies; print its metrics."),
        "sweep": Verb("api.cli.sweep:sweep", "Run one strategy with many parameters over a recording."),
        "session": Verb("api.cli.session:session", "Start, stop, list and show sessions."),
        "verify": Verb("api.cli.verify:verify", "Decide sessions again and compare every row with the tape."),
        "fork": Verb("api.cli.fork:fork", "Run the rows of a session again with something changed."),
        "report": Verb("api.cli.report:report", "Write the HTML report of a session."),
    },
    "The tape": {
        "tail": Verb("api.cli.tail:tail", "Print what is on the tape and follow it."),
        "rebuild": Verb("api.cli.rebuild:rebuild", "Throw the read models away and build them from the tape."),
    },
    "Access": {
        "user": Verb("api.cli.user:user", "Add, list, change and remove users."),
        "token": Verb("api.cli.token:token", "Print an access token for the API."),
    },
    "Development": {
        "bench": Verb("api.cli.bench:bench", "Run benchmarks by name, or list them."),
    },
}
HIDDEN = {"run": Verb("api.cli.processes:run", "Run one process of a house on this machine until it is stopped.")}
VERBS = {name: verb for section in (*SECTIONS.values(), HIDDEN) for name, verb in section.items()}


class LazyGroup(click.Group):
    """A group whose commands are imported on use. Errors end as one line on standard error and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        module, _, attribute = verb.place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command), f"{verb.place} is a verb"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(len(name) for name in self.list_commands(ctx))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), verb.help) for name, verb in section.items()])

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> Any:
        """Always standalone: whatever happens ends in an exit code."""
        extra.pop("standalone_mode", None)
        try:
            code = super().main(args, prog_name or "tapedeck", standalone_mode=False, **extra)
        except BaseException as error:
            code = _told(error, sys.argv[1:] if args is None else args)
        sys.exit(code if isinstance(code, int) else 0)


def _told(error: BaseException, args: Sequence[str]) -> int:
    """Say what is wrong, and give the exit code. Raises SystemExit as it came."""
    if isinstance(error, SystemExit):
        raise error
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return _said("interrupted.", INTERRUPTED)
    if isinstance(error, OSError) and (
        isinstance(error, BrokenPipeError) or "Broken pipe" in str(error)
    ):  # the reader has gone: nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    if isinstance(error, click.ClickException):
        path = getattr(getattr(error, "ctx", None), "command_path", "")
        hint = f" See `{path} --help`." if path else ""
        return _said(f"{error.format_message().rstrip('.')}.{hint}", error.exit_code)
    return _failed(error, any(word in ("-v", "--verbose") for word in args))


def _failed(error: BaseException, verbose: bool) -> int:
    from api.outcomes import exit_code_of
    from events.errors import Bug, ProcessFailed, TapedeckError

    if isinstance(error, OSError):  # a full disk, a folder that may not be written
        place = f"{error.filename}: " if error.filename else ""
        error = ProcessFailed(f"{place}{error.strerror or error}.", hint="Make room or correct its rights.")
    if isinstance(error, TapedeckError) and not isinstance(error, Bug):
        return _said(str(error), exit_code_of(error))
    if verbose:
        import traceback

        traceback.print_exception(error)
    hint = "" if verbose else " Run it again with --verbose for the place."
    return _said(f"internal error: {type(error).__name__}: {error}.{hint}", exit_code_of(error))


def _said(text: str, code: int) -> int:
    click.echo(f"tapedeck: {shown(text)}", err=True)
    return code


def shown(text: str) -> str:
    """A message as a terminal may have it: what was typed or read from a file neither fills nor controls it."""
    cut = LONG_WORD.sub(lambda found: f"{found[0][:WORD_MAX]}...", text)
    return "".join(one if one.isprintable() or one in "\n\t" else "?" for one in cut)
