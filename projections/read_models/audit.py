"""Who did what: rows as they were audited."""

from __future__ import annotations

import msgspec

from events.facts import Fact
from events.facts.audit import FACTS, ActionAudited
from projections.batch import Event
from projections.duckdb.store import Snapshot
from projections.duckdb.tables import Table, Writer
from projections.read_models.answers import Listed, Page, Where, listed

AUDIT = Table(
    "audit",
    (
        ("sequence", "BIGINT"),
        ("appended_ns", "BIGINT"),
        ("action", "VARCHAR"),
        ("username", "VARCHAR"),
        ("what", "VARCHAR"),
        ("address", "VARCHAR"),
        ("status", "INTEGER"),
        ("times", "INTEGER"),
        ("left_out", "INTEGER"),
    ),
    ("sequence",),
)


class Audit:
    """Applies what was audited."""

    facts: tuple[type[Fact], ...] = FACTS

    def __init__(self) -> None:
        self.tables = (AUDIT,)
        self._rows: list[tuple[object, ...]] = []

    def restore(self, writer: Writer) -> None:
        """Nothing is kept between batches."""
        self._rows = []

    def apply(self, fact: ActionAudited, event: Event) -> None:
        """One more row."""
        who = (fact.action, fact.user, fact.what, fact.address)
        self._rows.append((event.sequence, event.appended_ns, *who, fact.status, fact.count, fact.left_out))

    def flush(self, writer: Writer) -> None:
        """Write what was gathered."""
        writer.insert_rows(AUDIT, self._rows)
        self._rows = []


# --- queries ------------------------------------------------------------------------------------------------------


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did; as `ActionAudited`."""

    sequence: int
    appended_ns: int
    action: str
    user: str
    what: str
    address: str
    status: int
    count: int
    left_out: int


def audited(
    snapshot: Snapshot, *, user: str | None = None, action: str | None = None, page: Page | None = None
) -> Listed[AuditRow]:
    """What was audited, of a user or of an action where one is named."""
    page = page or Page(newest_first=True)
    where = Where(snapshot.made("audit"))
    for column, value in (("username", user), ("action", action)):
        if value is not None:
            where.add(f"{column} = ?", value)
    total = snapshot.count(f"SELECT count(*) FROM audit WHERE {where}", where.values)
    columns = ", ".join(name for name, _ in AUDIT.columns)
    rows = snapshot.rows(f"SELECT {columns} FROM audit WHERE {where} {page.sql('sequence')}", where.values)
    names = AuditRow.__struct_fields__
    return listed([AuditRow(**dict(zip(names, row, strict=True))) for row in rows], total, page)
