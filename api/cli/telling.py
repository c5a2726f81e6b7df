"""How verbs speak: results on standard output, progress on standard error; plain lines where there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import click
import msgspec

from events.clock import NS_PER_SECOND, SystemClock

WIDTH_WITHOUT_TERMINAL = 400  # nothing is cut where a program or a file reads
LINE_SECONDS = 2.0  # between two plain lines of progress
FIRST_SECONDS = 0.5  # what is done sooner shows no progress

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")


def say_json(body: Any) -> None:
    """One JSON document."""
    click.echo(msgspec.json.format(msgspec.json.encode(body), indent=2))


def say(text: str = "") -> None:
    """One line of a result."""
    click.echo(text)


def note(text: str) -> None:
    """One line beside the result: on standard error."""
    click.echo(text, err=True)


def say_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """A table; columns whose names end with `>` are aligned to the right. Cells hold any text, never markup."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, highlight=False, width=None if terminal else WIDTH_WITHOUT_TERMINAL)
    table = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD if terminal else None
    )
    for name in columns:
        table.add_column(name.rstrip(">"), justify="right" if name.endswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


class Progress(Protocol):
    """Told how much of a job is done; `total` is None where nobody knows."""

    def __call__(self, done: int, total: int | None) -> None:
        """So many of so many."""
        ...


@contextmanager
def progress(title: str, unit: str) -> Iterator[Progress]:
    """Shows a job that takes longer than a moment: a bar on a terminal, else a line every few seconds.

    Without a unit only the share is shown.
    """
    if sys.stderr.isatty():
        with _bar(title, unit) as bar:
            yield bar
    else:
        yield _Lines(title, unit)


class _Lines:
    """Plain lines."""

    def __init__(self, title: str, unit: str) -> None:
        self._title = title
        self._unit = unit
        self._clock = SystemClock()
        self._due_ns = self._clock.monotonic_ns() + round(FIRST_SECONDS * NS_PER_SECOND)

    def __call__(self, done: int, total: int | None) -> None:
        now = self._clock.monotonic_ns()
        if now < self._due_ns:
            return
        self._due_ns = now + round(LINE_SECONDS * NS_PER_SECOND)
        note(f"{self._title}: {_counted(done, total, self._unit)}")


def _counted(done: int, total: int | None, unit: str) -> str:
    share = f"{100 * done // total} %" if total else ""
    if not unit:
        return share or "..."
    return f"{done:,} of {total:,} {unit} ({share})" if total else f"{done:,} {unit}"


@contextmanager
def _bar(title: str, unit: str) -> Iterator[Progress]:
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TextColumn("{task.fields[count]}"),
        rich_progress.TimeElapsedColumn(),
    )
    with rich_progress.Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=None, count="")

        def show(done: int, total: int | None) -> None:
            bars.update(task, completed=done, total=total, count=_counted(done, total, unit))

        yield show
