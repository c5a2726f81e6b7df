"""Help is quick and complete; the pages of verbs and settings are what the sources say."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from api.cli.main import main
from api.cli.page import cli_page, exit_codes
from api.cli.settings_page import OTHER_VARIABLES, settings_page
from api.cli.verbs import VERBS
from api.outcomes import STATUS
from api.settings import ENV_OTHER
from engine.configuration import environment

DOCS = Path(__file__).resolve().parents[3] / "docs"
HEAVY = ("numba", "numpy", "polars", "litestar", "duckdb", "nats", "pyarrow", "rich", "structlog", "plotly")


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_the_help_that_the_list_promises(name: str) -> None:
    """The line of a verb in `tapedeck --help` is the first line of its own help."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert (command.help or "").strip().split("\n")[0] == VERBS[name].help
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert f"Usage: tapedeck {name}" in result.output


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every verb that does something, with the words that lead to it."""
    context = click.Context(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from leaves(inner, (*path, name))
    else:
        yield path, command


def test_every_verb_has_an_example_that_parses() -> None:
    """The example of a help is a call of that verb, with options that it has."""
    for path, command in leaves(main):
        found = re.fullmatch(r"Example: `tapedeck (.+)`", command.epilog or "")
        assert found is not None, path
        words = shlex.split(found[1])
        words = words[2:] if words[0] == "--data" else words
        assert tuple(words[: len(path)]) == path
        assert command.make_context(path[-1], words[len(path) :]).params is not None


def test_help_imports_nothing_heavy() -> None:
    """`tapedeck --help` answers at once: it imports no compiler, server or data frame."""
    code = (
        "import sys\nfrom api.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip().split("\n")[-1] == "[]"


def test_the_page_of_verbs_is_not_stale() -> None:
    """docs/cli.md is what the verbs say now."""
    advice = "run: python -m api.cli.page > docs/cli.md"
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == cli_page(), advice


def test_the_page_of_settings_is_not_stale() -> None:
    """docs/settings.md is what the structs say now."""
    advice = "run: python -m api.cli.settings_page > docs/settings.md"
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == settings_page(), advice


def test_every_exit_code_is_documented() -> None:
    """Whatever class of error ends a verb, its exit code is on the page."""
    assert {code for _, _, code in STATUS} <= set(exit_codes())


def test_every_variable_is_documented() -> None:
    """Each name that the program reads from the environment is on the page of settings."""
    private = {"TAPEDECK_SETTINGS"}  # from the supervisor to its children
    whole = {name for name in OTHER_VARIABLES if "<" not in name}  # one stands for all of the configuration
    assert ENV_OTHER - private == whole
    assert {name.partition("<")[0] for name in set(OTHER_VARIABLES) - whole} == {environment.PREFIX}
