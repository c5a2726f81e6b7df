"""`tapedeck bench`: the benchmarks of the sources, by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from api.cli.telling import say_table
from events.children import die_with_parent
from events.errors import NotAvailable, Unknown

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks"
STOP_SECONDS_MAX = 5.0


@click.command(
    "bench",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="Example: `tapedeck bench decision_loop`",
)
@click.option("--all", "every", is_flag=True, help="Run all of them.")
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(every: bool, name: str | None, arguments: tuple[str, ...]) -> None:
    """Run benchmarks by name, or list them.

    ARGUMENTS are the benchmark's own. Each prints ours, the baseline of the same run, and the ratio.
    """
    found = benchmarks()
    if every:
        codes = [_run(one, ()) for one in found]
        click.get_current_context().exit(max(codes, default=0))
    if name is None:
        say_table(("benchmark", "question"), list(found.items()))
        return
    if name not in found:
        raise Unknown(f"There is no benchmark {name!r}. There are {', '.join(found)}.", field="name")
    click.get_current_context().exit(_run(name, arguments))


def benchmarks() -> dict[str, str]:
    """Name and question of each, in order of name.

    Raises:
        NotAvailable: this is an installation without its sources.
    """
    if not FOLDER.is_dir():
        raise NotAvailable(
            f"There are no benchmarks in {FOLDER}: they are part of the sources.", hint="Run it in a checkout."
        )
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "\nif __name__ ==" in text and not path.name.startswith("_"):
            found[path.stem] = text.partition("\n")[0].strip('"')
    return found


def _run(name: str, arguments: tuple[str, ...]) -> int:
    """Exit code of a benchmark; Ctrl-C reaches this process alone, which ends the benchmark."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    child = subprocess.Popen(command, cwd=ROOT, start_new_session=True, preexec_fn=die_with_parent())  # noqa: PLW1509
    try:
        return child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
