"""The console program: its verbs, its global options, and how every error becomes one line and an exit code."""

from __future__ import annotations

from pathlib import Path

import click

from api.cli.verbs import LazyGroup
from api.settings import load


@click.group(
    "tapedeck",
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "auto_envvar_prefix": None},
    epilog="Every verb has its own help: `tapedeck VERB --help`. Exit codes are listed in docs/cli.md.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="TAPEDECK_CONFIG",
    show_envvar=True,
    metavar="FILE",
    help="YAML file of settings (docs/settings.md).",
)
@click.option("--data", metavar="FOLDER", help="Data folder; stands before the settings' `data`.")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens, and tracebacks of internal errors.")
@click.version_option(package_name="tapedeck", prog_name="tapedeck")
@click.pass_context
def main(context: click.Context, config: Path | None, data: str | None, verbose: bool) -> None:
    """Tapedeck: an event-sourced trading engine. Record a market, trade it, replay it, verify it, fork it.

    `tapedeck init` makes a data folder, `tapedeck demo` shows the main job, `tapedeck up` serves.
    """
    import msgspec

    settings = load(config)
    context.obj = msgspec.structs.replace(settings, data=data) if data else settings
