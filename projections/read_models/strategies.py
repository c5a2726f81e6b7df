"""Configured strategies as they stand."""

from __future__ import annotations

import msgspec

from events.errors import Unknown
from events.facts import Fact
from events.facts.strategies import (
    FACTS,
    StrategyActivated,
    StrategyChanged,
    StrategyCreated,
    StrategyDeactivated,
    StrategyForm,
    StrategyRemoved,
    Value,
)
from projections.batch import Event, TapeGap
from projections.duckdb.store import Snapshot
from projections.duckdb.tables import Writer
from projections.read_models.answers import Listed, Page, Where, listed
from projections.read_models.versions import Versions

_VALUES = (
    ("name", "VARCHAR"),
    ("kind", "VARCHAR"),
    ("params", "VARCHAR"),  # JSON
    ("symbols", "VARCHAR"),  # JSON
    ("timeframe", "VARCHAR"),
    ("direction", "VARCHAR"),
    ("category", "VARCHAR"),
    ("tags", "VARCHAR"),  # JSON
    ("description", "VARCHAR"),
    ("state", "VARCHAR"),  # active, inactive or removed
    ("username", "VARCHAR"),  # who created it
    ("created_at", "BIGINT"),  # sequence of `StrategyCreated`
    ("created_ns", "BIGINT"),  # appended then
    ("updated_ns", "BIGINT"),
)
_NAMES = tuple(name for name, _ in _VALUES)
_STATES = {StrategyActivated: "active", StrategyDeactivated: "inactive", StrategyRemoved: "removed"}


class ConfiguredStrategies:
    """Applies the facts of configured strategies."""

    facts: tuple[type[Fact], ...] = FACTS

    def __init__(self) -> None:
        self._versions = Versions("strategies", (("strategy", "VARCHAR"),), _VALUES)
        self.tables = (self._versions.table,)
        self._there: dict[str, dict[str, object]] = {}  # values by id, of those not removed

    def restore(self, writer: Writer) -> None:
        """Read back those that are there."""
        rows = writer.execute(
            f"SELECT strategy, {', '.join(_NAMES)} FROM strategies WHERE sequence_to IS NULL AND state <> 'removed'"
        ).fetchall()
        self._there = {row[0]: dict(zip(_NAMES, row[1:], strict=True)) for row in rows}
        self._versions.clear()

    def apply(self, fact: Fact, event: Event) -> None:
        """One more fact.

        Raises:
            TapeGap: it is of a strategy that was not created, or is removed.
        """
        match fact:
            case StrategyCreated():
                values: dict[str, object] = {"username": fact.user, "state": "inactive"}
                values |= {"created_at": event.sequence, "created_ns": event.appended_ns}
                self._there[fact.strategy] = values
                self._put(fact.strategy, _formed(fact.form), event)
            case StrategyChanged():
                self._put(fact.strategy, _formed(fact.form), event)
            case StrategyActivated() | StrategyDeactivated() | StrategyRemoved():
                self._put(fact.strategy, {"state": _STATES[type(fact)]}, event)

    def _put(self, strategy: str, changes: dict[str, object], event: Event) -> None:
        values = self._there.get(strategy)
        if values is None:
            raise TapeGap(
                f"Event {event.sequence} is of strategy {strategy}, which is not there.", sequence=event.sequence
            )
        values |= {**changes, "updated_ns": event.appended_ns}
        self._versions.put((strategy,), tuple(values[name] for name in _NAMES), event.sequence)
        if values["state"] == "removed":
            del self._there[strategy]

    def flush(self, writer: Writer) -> None:
        """Write what was gathered."""
        self._versions.flush(writer)


def _formed(form: StrategyForm) -> dict[str, object]:
    values = msgspec.structs.asdict(form)
    return values | {name: msgspec.json.encode(values[name]).decode() for name in ("params", "symbols", "tags")}


# --- queries ------------------------------------------------------------------------------------------------------


class StrategyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One configured strategy."""

    strategy: str
    name: str
    kind: str
    params: dict[str, Value]
    symbols: tuple[str, ...]
    timeframe: str
    direction: str
    category: str
    tags: tuple[str, ...]
    description: str
    state: str
    user: str
    created_at: int
    created_ns: int
    updated_ns: int
    changed_at: int  # sequence of its last fact


_COLUMNS = f"strategy, {', '.join(_NAMES)}, sequence_from"


def strategies(snapshot: Snapshot, page: Page | None = None) -> Listed[StrategyRow]:
    """Those that are there, in the order in which they were created."""
    page = page or Page()
    where = f"{snapshot.current('strategies')} AND state <> 'removed'"
    total = snapshot.count(f"SELECT count(*) FROM strategies WHERE {where}")
    rows = snapshot.rows(f"SELECT {_COLUMNS} FROM strategies WHERE {where} {page.sql('created_at')}")
    return listed([_row(row) for row in rows], total, page)


def strategy(snapshot: Snapshot, name: str, *, removed: bool = False) -> StrategyRow:
    """One by id; one that was removed only where it is asked for. Raises Unknown."""
    where = Where(snapshot.current("strategies"))
    where.add("strategy = ?", name)
    if not removed:
        where.add("state <> 'removed'")
    row = snapshot.one(f"SELECT {_COLUMNS} FROM strategies WHERE {where}", where.values)
    if row is None:
        raise Unknown(f"Strategy not found: {name[:80]!r} as of sequence {snapshot.sequence}.", field="strategy_id")
    return _row(row)


def _row(row: tuple) -> StrategyRow:
    fields = dict(zip(StrategyRow.__struct_fields__, row, strict=True))
    fields["params"] = msgspec.json.decode(fields["params"])
    fields["symbols"] = tuple(msgspec.json.decode(fields["symbols"]))
    fields["tags"] = tuple(msgspec.json.decode(fields["tags"]))
    return StrategyRow(**fields)
