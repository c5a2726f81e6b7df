"""How far readers see, found by any process without the writer's help.

Rows are visible when the table's writer has applied the commits that its sequencer had taken when the checkpoint was
read; candles when each view in turn has been refreshed up to such a commit of what it is made of, and has applied
its own.
"""

from __future__ import annotations

import threading

import msgspec

from events.errors import ReadModelUnavailable
from projections.market_store import Trouble
from projections.questdb.access import Console
from projections.questdb.tables import BARS, CHECKPOINTS, TABLES, TICKS, VIEWS

_READ = f"SELECT max(sequence) FROM {CHECKPOINTS}"
_VIEWS = "SELECT view_name, view_status, invalidation_reason, refresh_base_table_txn FROM materialized_views()"
_TABLES = "SELECT name, suspended, errorMessage, writerTxn, sequencerTxn FROM wal_tables()"
_CANDLE_BASES = (TICKS.name, BARS.name)


class _Log(msgspec.Struct, frozen=True):
    """The write-ahead log of one table: last commit applied, last commit taken."""

    applied: int
    taken: int
    trouble: str


class _View(msgspec.Struct, frozen=True):
    """One view: the last commit of its base that it holds."""

    refreshed: int
    trouble: str


class _Chase(msgspec.Struct):
    """Waiting for a sequence: the commits that must be applied, by table or view."""

    sequence: int
    commits: dict[str, int]


class Visibility:
    """The visible sequences, which only grow. `refresh` blocks; it may be called from several threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._rows: _Chase | None = None
        self._candles: _Chase | None = None
        self.rows = 0
        self.candles = 0
        self.troubles: list[Trouble] = []

    def forget(self) -> None:
        """The store was emptied."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        self._rows = self._candles = None
        self.rows = self.candles = 0

    def refresh(self) -> None:
        """Ask the server once. The order of the questions is what makes the answers true."""
        with self._lock:
            sequence = self._console.ask(_READ)[0][0] or 0
            views = {name: _view(status, why, at) for name, status, why, at in self._console.ask(_VIEWS)}
            logs = {
                name: _Log(applied, taken, (why or "suspended") if suspended else "")
                for name, suspended, why, applied, taken in self._console.ask(_TABLES)
            }
            _check_whole(views, logs)
            if sequence < max(self.rows, self.candles):  # emptied by its writer, and filled anew
                self._forget()
            self.troubles = [Trouble(name, each.trouble) for name, each in (logs | views).items() if each.trouble]
            self._see_rows(sequence, logs)
            self._see_candles(sequence, logs, views)

    def _see_rows(self, sequence: int, logs: dict[str, _Log]) -> None:
        if self._rows is None and sequence > self.rows:
            self._rows = _Chase(sequence, {table.name: logs[table.name].taken for table in TABLES})
        if self._rows is not None and _applied(self._rows, logs):
            self.rows, self._rows = self._rows.sequence, None

    def _see_candles(self, sequence: int, logs: dict[str, _Log], views: dict[str, _View]) -> None:
        if self._candles is None and sequence > self.candles:
            self._candles = _Chase(sequence, {base: logs[base].taken for base in _CANDLE_BASES})
        if (chase := self._candles) is None:
            return
        for view in VIEWS:
            at = chase.commits.get(view.base)
            if view.name not in chase.commits and at is not None and views[view.name].refreshed >= at:
                chase.commits[view.name] = logs[view.name].taken
        if len(chase.commits) == len(VIEWS) + len(_CANDLE_BASES) and _applied(chase, logs):
            self.candles, self._candles = chase.sequence, None


def _check_whole(views: dict[str, _View], logs: dict[str, _Log]) -> None:
    missing = [table.name for table in TABLES if table.name not in logs]
    missing += [view.name for view in VIEWS if view.name not in views or view.name not in logs]
    if missing:
        raise ReadModelUnavailable(
            f"The market store has no {', '.join(missing)} yet.",
            hint="It is being built; try again, or see the projector.",
        )


def _applied(chase: _Chase, logs: dict[str, _Log]) -> bool:
    return all(logs[name].applied >= commit for name, commit in chase.commits.items())


def _view(status: str, why: str | None, at: int | None) -> _View:
    return _View(-1 if at is None else at, "" if status in ("valid", "refreshing") else f"{status}: {why or 'unknown'}")
