"""The mode of the system: which kind of session the control panel starts."""

from __future__ import annotations

import msgspec

from events.facts import Fact
from events.facts.house import Mode, SystemModeSet
from projections.batch import Event
from projections.duckdb.store import Snapshot
from projections.duckdb.tables import Writer
from projections.read_models.versions import Versions

DEFAULT_MODE: Mode = "paper"
_KEY = "mode"


class SystemMode:
    """Applies changes of the mode."""

    facts: tuple[type[Fact], ...] = (SystemModeSet,)

    def __init__(self) -> None:
        values = (("mode", "VARCHAR"), ("username", "VARCHAR"), ("set_ns", "BIGINT"))
        self._versions = Versions("system_mode", (("setting", "VARCHAR"),), values)
        self.tables = (self._versions.table,)

    def restore(self, writer: Writer) -> None:
        """Forget what was gathered."""
        self._versions.clear()

    def apply(self, fact: SystemModeSet, event: Event) -> None:
        """Another mode."""
        self._versions.put((_KEY,), (fact.mode, fact.user, event.appended_ns), event.sequence)

    def flush(self, writer: Writer) -> None:
        """Write what was gathered."""
        self._versions.flush(writer)


class ModeRow(msgspec.Struct, frozen=True):
    """The mode, who set it and when; nobody at 0 where it is the default."""

    mode: Mode = DEFAULT_MODE
    user: str = ""
    set_ns: int = 0


def system_mode(snapshot: Snapshot) -> ModeRow:
    """The mode in force."""
    rows = snapshot.rows(f"SELECT mode, username, set_ns FROM system_mode WHERE {snapshot.current('system_mode')}")
    return ModeRow(*rows[0]) if rows else ModeRow()
