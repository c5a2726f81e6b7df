"""The configuration as facts have set it (defaults are not in it), its history, and templates."""

from __future__ import annotations

from typing import Any

import msgspec

from events.errors import Unknown
from events.facts import Fact
from events.facts.configuration import FACTS, ConfigurationChanged, TemplateRemoved, TemplateSaved
from projections.batch import Event
from projections.duckdb.store import Snapshot
from projections.duckdb.tables import Writer
from projections.read_models.answers import Listed, Page, listed
from projections.read_models.versions import Versions

_VALUES = (
    ("value", "VARCHAR"),  # JSON
    ("before", "VARCHAR"),  # JSON
    ("username", "VARCHAR"),
    ("origin", "VARCHAR"),
    ("changed_ns", "BIGINT"),  # appended then
    ("command", "BIGINT"),  # its sequence
)
_TEMPLATES = (
    ("name", "VARCHAR"),
    ("description", "VARCHAR"),
    ("settings", "VARCHAR"),  # JSON
    ("username", "VARCHAR"),
    ("saved_ns", "BIGINT"),
    ("removed", "BOOLEAN"),
)


class ConfiguredValues:
    """Applies the facts of the configuration."""

    facts: tuple[type[Fact], ...] = FACTS

    def __init__(self) -> None:
        self._values = Versions("configuration", (("setting", "VARCHAR"),), _VALUES)
        self._templates = Versions("templates", (("template", "VARCHAR"),), _TEMPLATES)
        self.tables = (self._values.table, self._templates.table)

    def restore(self, writer: Writer) -> None:
        """Forget what was gathered."""
        self._values.clear()
        self._templates.clear()

    def apply(self, fact: Fact, event: Event) -> None:
        """One more fact."""
        match fact:
            case ConfigurationChanged():
                for one in fact.values:
                    row = (bytes(one.value).decode(), bytes(one.before).decode(), fact.user, fact.origin)
                    self._values.put((one.key,), (*row, event.appended_ns, fact.command), event.sequence)
            case TemplateSaved():
                saved = (fact.name, fact.description, bytes(fact.values).decode(), fact.user, fact.saved_ns, False)
                self._templates.put((fact.template,), saved, event.sequence)
            case TemplateRemoved():
                self._templates.put((fact.template,), ("", "", "{}", fact.user, 0, True), event.sequence)

    def flush(self, writer: Writer) -> None:
        """Write what was gathered."""
        self._values.flush(writer)
        self._templates.flush(writer)


# --- queries ------------------------------------------------------------------------------------------------------


class ChangeRow(msgspec.Struct, frozen=True):
    """One key that was changed once: both values, who did it, through what, and when."""

    key: str
    value: Any
    before: Any
    user: str
    origin: str
    changed_ns: int
    changed_at: int  # sequence


class TemplateRow(msgspec.Struct, frozen=True):
    """One template. `values` are sections with the keys it sets."""

    template: str
    name: str
    description: str
    values: dict[str, dict[str, Any]]
    user: str
    saved_ns: int


_CHANGE = "setting, value, before, username, origin, changed_ns, sequence_from"
_TEMPLATE = "template, name, description, settings, username, saved_ns"


def configured(snapshot: Snapshot) -> dict[str, Any]:
    """Values by dotted key, of the keys that facts have set."""
    rows = snapshot.rows(
        f"SELECT setting, value FROM configuration WHERE {snapshot.current('configuration')} ORDER BY setting"
    )
    return {key: msgspec.json.decode(value) for key, value in rows}


def changes(snapshot: Snapshot, page: Page | None = None) -> Listed[ChangeRow]:
    """All changes, in the order in which they were made."""
    page = page or Page()
    where = f"sequence_from <= {snapshot.sequence}"
    total = snapshot.count(f"SELECT count(*) FROM configuration WHERE {where}")
    order = page.sql("sequence_from", "setting")
    rows = snapshot.rows(f"SELECT {_CHANGE} FROM configuration WHERE {where} {order}")
    return listed([_change(row) for row in rows], total, page)


def changed_by(snapshot: Snapshot, command: int) -> list[ChangeRow]:
    """What one command changed, by key."""
    rows = snapshot.rows(f"SELECT {_CHANGE} FROM configuration WHERE command = {command:d} ORDER BY setting")
    return [_change(row) for row in rows]


def templates(snapshot: Snapshot, page: Page | None = None) -> Listed[TemplateRow]:
    """Those that were saved, in the order of that."""
    page = page or Page()
    where = f"{snapshot.current('templates')} AND NOT removed"
    total = snapshot.count(f"SELECT count(*) FROM templates WHERE {where}")
    rows = snapshot.rows(f"SELECT {_TEMPLATE} FROM templates WHERE {where} {page.sql('sequence_from')}")
    return listed([_template(row) for row in rows], total, page)


def template(snapshot: Snapshot, name: str) -> TemplateRow:
    """One by id. Raises Unknown."""
    row = snapshot.one(
        f"SELECT {_TEMPLATE} FROM templates WHERE {snapshot.current('templates')} AND NOT removed AND template = ?",
        [name],
    )
    if row is None:
        raise Unknown(f"Template not found: {name[:80]!r} as of sequence {snapshot.sequence}.", field="id")
    return _template(row)


def _change(row: tuple) -> ChangeRow:
    key, value, before, *rest = row
    return ChangeRow(key, msgspec.json.decode(value), msgspec.json.decode(before), *rest)


def _template(row: tuple) -> TemplateRow:
    name, title, description, values, user, saved_ns = row
    return TemplateRow(name, title, description, msgspec.json.decode(values), user, saved_ns)
