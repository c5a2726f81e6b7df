"""The views of the explorer: what of the read model anybody with a token may ask in SQL.

What is not named here is not in the copy that is asked: no audit, no configuration, no users, nothing of the vault.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import msgspec

from projections.duckdb.store import Snapshot
from projections.read_models.answers import CODES, ORDER_KINDS, ORDER_STATUSES, SIDES, SIGNAL_KINDS, TIMES_IN_FORCE

Columns = tuple[tuple[str, str], ...]  # name, SQL over the view's tables

ROWS_MAX = 1_000_000  # newest rows of each view that are there
ROWS_SLACK = 50_000  # so many more may be there before the oldest are taken out


def _time(column: str) -> str:
    return f"make_timestamp({column} // 1000)"


def _time_or_null(column: str) -> str:
    return f"CASE WHEN {column} > 0 THEN {_time(column)} END"


def _word(column: str, words: Mapping[int, str]) -> str:
    whens = " ".join(f"WHEN {number} THEN '{word}'" for number, word in words.items())
    return f"CASE {column} {whens} ELSE '' END"


def _same(*names: str, of: str = "t") -> Columns:
    return tuple((name, f"{of}.{name}") for name in names)


class View(msgspec.Struct, frozen=True):
    """A view: its name, what a row is, its columns, and the tables it is made of.

    A view whose rows come one after the other `grows`: a later copy takes only what came since. Of rows that have
    versions as well, `changed` are those (SQL of their `key`) that an earlier copy shows and that hold no longer.
    """

    name: str
    row: str
    columns: Columns
    tables: Callable[[Snapshot, int], str]  # what stands behind FROM, as of a snapshot and made behind a sequence
    order: str  # newest last
    grows: bool = False
    key: tuple[str, ...] = ()
    changed: Callable[[Snapshot, int], str] | None = None
    private: bool = False  # of one user each: asked by admins only

    def select(self, snapshot: Snapshot) -> str:
        """The rows as of a snapshot, the newest `ROWS_MAX` of them, oldest first."""
        columns = ", ".join(f"{sql} AS {name}" for name, sql in self.columns)
        tables = self.tables(snapshot, 0)
        skipped = max(0, snapshot.count(f"SELECT count(*) FROM {tables}") - ROWS_MAX)
        return f"SELECT {columns} FROM {tables} ORDER BY {self.order} OFFSET {skipped}"

    def renewed(self, snapshot: Snapshot, copy: str, after: int) -> list[str]:
        """Statements that bring the view in a copy as of sequence `after` to a snapshot. It must be one that grows."""
        there = f"{copy}.{self.name}"
        columns = ", ".join(f"{sql} AS {name}" for name, sql in self.columns)
        added = f"INSERT INTO {there} SELECT {columns} FROM {self.tables(snapshot, after)} ORDER BY {self.order}"
        if self.changed is None:
            return [added]
        keys = ", ".join(self.key)
        return [f"DELETE FROM {there} WHERE ({keys}) IN ({self.changed(snapshot, after)})", added]


# --- what rows of sessions have in common -------------------------------------------------------------------------

_NAMES = "JOIN sessions s ON s.number = t.session"
_LANES = f"{_NAMES} LEFT JOIN lanes l ON l.session = t.session AND l.lane = t.lane"
_OF_SESSION: Columns = (("session", "s.session"), ("mode", "s.mode"))
_OF_LANE: Columns = (
    *_OF_SESSION,
    ("strategy", "coalesce(l.strategy, '')"),
    ("symbol", "coalesce(l.symbol, '')"),
    ("lane", "t.lane"),
)
_AT: Columns = (("time", _time("t.ts_event_ns")), ("input", "t.input"), ("ordinal", "t.ordinal"))
_PLACE: Columns = (("sequence", "t.sequence"), ("row_index", "t.row_index"))
_SIDE: Columns = (("side", _word("t.side", SIDES)),)
_CODE: Columns = (("code", _word("t.code", CODES)),)


def _made(table: str, joins: str) -> Callable[[Snapshot, int], str]:
    return lambda at, after: f"(FROM {table} WHERE {at.made(table)} AND {table}.sequence > {after}) t {joins}"


def _current(table: str, joins: str = "") -> Callable[[Snapshot, int], str]:
    return lambda at, after: f"(FROM {table} WHERE {at.current(table)} AND {table}.sequence_from > {after}) t {joins}"


def _orders_changed(at: Snapshot, after: int) -> str:
    ended = f"sequence_to > {after} AND sequence_to <= {at.sequence}"
    return f"SELECT s.session, t.order_number FROM (FROM orders WHERE {ended}) t {_NAMES}"


VIEWS = (
    View(
        "instruments",
        "an instrument that is registered or was removed",
        (
            ("id", "t.number"),
            *_same("symbol", "venue", "asset_type", "base", "quote", "price_step", "quantity_step", "notional_min"),
            *_same("maker_fee_ratio", "taker_fee_ratio", "name", "primary_source", "state"),
            ("changed", _time("t.changed_ns")),
            ("sequence", "t.sequence_from"),
        ),
        _current("instruments"),
        "t.number",
    ),
    View(
        "recordings",
        "a recording, open, complete or abandoned",
        (
            *_same("recording", "source", "origin", "description", "symbols", "kinds", "session", "state", "row_count"),
            *_same("first_sequence", "first_index", "last_sequence", "last_index", "content_hash"),
            ("first_time", _time_or_null("t.first_event_ns")),
            ("last_time", _time_or_null("t.last_event_ns")),
            ("opened", _time("t.opened_ns")),
            ("sequence", "t.sequence_from"),
        ),
        _current("recordings"),
        "t.opened_at",
    ),
    View(
        "strategies",
        "a configured strategy, active, inactive or removed",
        (
            *_same("strategy", "name", "kind", "params", "symbols", "timeframe", "direction", "category", "tags"),
            *_same("state", "username"),
            ("created", _time("t.created_ns")),
            ("updated", _time("t.updated_ns")),
            ("sequence", "t.sequence_from"),
        ),
        _current("strategies"),
        "t.created_at",
    ),
    View(
        "sessions",
        "a session of any mode as it is now",
        (
            *_same("session", "name", "mode", "username", "research", "parent", "source", "recording", of="s"),
            *_same("symbols", "strategies", "cash", of="s"),
            *_same("state", "reason", "error_code", "error_message", "decision_hash"),
            ("final_equity", "CASE WHEN t.ended_ns > 0 THEN t.final_equity END"),
            ("started", _time("s.started_ns")),
            ("ended", _time_or_null("t.ended_ns")),
            ("sequence", "s.sequence"),
        ),
        _current("session_states", _NAMES),
        "s.number",
    ),
    View(
        "lanes",
        "a strategy on an instrument in a session",
        (*_OF_SESSION, *_same("lane", "strategy", "symbol", "instrument")),
        lambda at, _: f"lanes t JOIN (FROM sessions WHERE {at.made('sessions')}) s ON s.number = t.session",
        "t.session, t.lane",
    ),
    View(
        "signals",
        "a signal",
        (
            *(*_OF_LANE, *_AT, *_PLACE, ("kind", _word("t.kind", SIGNAL_KINDS)), *_SIDE),
            *(*_same("price", "strength"), *_CODE),
        ),
        _made("signals", _LANES),
        "t.sequence, t.session, t.ordinal",
        grows=True,
    ),
    View(
        "orders",
        "an order as it is now",
        (
            *(*_OF_LANE, *_AT, ("sequence", "t.sequence_from"), ("row_index", "t.row_index")),
            *(*_same("order_number"), ("kind", _word("t.kind", ORDER_KINDS)), *_SIDE),
            ("status", _word("t.status", ORDER_STATUSES)),
            ("time_in_force", _word("t.time_in_force", TIMES_IN_FORCE)),
            *(*_same("price", "stop_price", "quantity", "filled"), *_CODE),
        ),
        _current("orders", _LANES),
        "t.sequence_from, t.session, t.ordinal",
        grows=True,
        key=("session", "order_number"),
        changed=_orders_changed,
    ),
    View(
        "fills",
        "an execution of an order or a part of it",
        (
            *(*_OF_LANE, *_AT, *_PLACE, *_same("order_number"), *_SIDE),
            *_same("price", "quantity", "fee", "realized", "position", "cash"),
            *(("maker", "t.maker <> 0"), *_CODE),
        ),
        _made("fills", _LANES),
        "t.sequence, t.session, t.ordinal",
        grows=True,
    ),
    View(
        "denials",
        "an order that the risk check refused",
        (
            *(*_OF_LANE, *_AT, *_PLACE, *_SIDE, ("kind", _word("t.kind", ORDER_KINDS))),
            *(*_same("price", "quantity", "bound"), *_CODE),
        ),
        _made("denials", _LANES),
        "t.sequence, t.session, t.ordinal",
        grows=True,
    ),
    View(
        "equity",
        "a mark of a session's account",
        (*_OF_SESSION, *_AT, *_PLACE, *_same("cash", "equity", "exposure", "realized", "unrealized", "fees")),
        _made("equity", _NAMES),
        "t.sequence, t.session, t.ordinal",
        grows=True,
    ),
    View(
        "positions",
        "what a lane holds; flat ones too",
        (
            *(*_OF_LANE, *_same("quantity", "entry_price", "last_price"), ("last_time", _time_or_null("t.last_ns"))),
            *(*_same("realized", "fees", "fills", "trades"), ("sequence", "t.sequence_from")),
        ),
        _current("positions", _LANES),
        "t.session, t.lane",
    ),
    View(
        "trades",
        "a trade that has ended",
        (
            *(*_OF_LANE, *_same("ordinal", "sequence"), *_SIDE),
            ("entry_time", _time("t.entry_ns::BIGINT")),
            ("exit_time", _time("t.exit_ns::BIGINT")),
            ("entry_code", _word("t.entry_code", CODES)),
            ("exit_code", _word("t.exit_code", CODES)),
            *_same("fills", "quantity", "entry_price", "exit_price", "fees", "pnl", "return_ratio"),
        ),
        _made("trades", _LANES),
        "t.sequence, t.session, t.ordinal",
        grows=True,
    ),
    View(
        "jobs",
        "a job as it is now",
        (
            *_same("job", "kind", "username", "title", of="j"),
            *(*_same("state", "worker", "ratio", "description", "error_code", "error_message"),),
            ("queued", _time("j.queued_ns")),
            ("claimed", _time_or_null("t.claimed_ns")),
            ("ended", _time_or_null("t.ended_ns")),
            ("sequence", "j.sequence"),
        ),
        _current("job_states", "JOIN jobs j USING (job)"),
        "j.sequence",
        private=True,
    ),
)


def table() -> str:
    """The views and their columns as they stand in `docs/read-models.md`."""
    lines = ["| view | a row is | columns |", "|---|---|---|"]
    for view in VIEWS:
        columns = ", ".join(f"`{name}`" for name, _ in view.columns)
        lines.append(f"| `{view.name}` | {view.row}{' (for admins)' if view.private else ''} | {columns} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n")
