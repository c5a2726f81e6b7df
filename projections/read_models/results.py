"""Results: how sessions ended, what a replay of them said, and the tables of research that keeps no decisions."""

from __future__ import annotations

import msgspec

from events.facts import Fact, ResearchCompleted, SessionEnded, SessionFailed, SessionVerified
from projections.duckdb.store import Snapshot
from projections.duckdb.tables import Table, Writer
from projections.read_models.answers import Listed, Page, Where, listed

RESULTS = Table(
    "results",
    (
        ("session", "VARCHAR"),  # or the id of research
        ("kind", "VARCHAR"),  # ended, failed, verified, sweep
        ("body", "VARCHAR"),  # JSON of the fact; of research the JSON it carries
        ("sequence", "BIGINT"),
    ),
    ("sequence",),
)


class Results:
    """Applies the facts that carry a result."""

    def __init__(self) -> None:
        self.tables = (RESULTS,)
        self._rows: list[tuple[object, ...]] = []

    def restore(self, writer: Writer) -> None:
        """Nothing is kept between batches."""
        self.clear()

    def apply(self, fact: Fact, sequence: int) -> None:
        """Keep a fact if it is a result."""
        match fact:
            case SessionEnded():
                self._rows.append((fact.session, "ended", _json(fact), sequence))
            case SessionFailed():
                self._rows.append((fact.session, "failed", _json(fact), sequence))
            case SessionVerified():
                self._rows.append((fact.session, "verified", _json(fact), sequence))
            case ResearchCompleted():
                self._rows.append((fact.research, fact.kind, bytes(fact.body).decode(), sequence))

    def flush(self, writer: Writer) -> None:
        """Write what was gathered."""
        writer.insert_rows(RESULTS, self._rows)
        self.clear()

    def clear(self) -> None:
        """Forget what was gathered."""
        self._rows = []


def _json(fact: Fact) -> str:
    return msgspec.json.encode(fact).decode()


# --- queries ------------------------------------------------------------------------------------------------------


class ResultRow(msgspec.Struct, frozen=True, kw_only=True):
    """One result; `body` is JSON as the fact carries it."""

    session: str
    kind: str
    body: msgspec.Raw
    sequence: int


def results(
    snapshot: Snapshot, session: str | None = None, kinds: tuple[str, ...] = (), page: Page | None = None
) -> Listed[ResultRow]:
    """Results of a session or research id, or of all, in the order of the tape."""
    page = page or Page(newest_first=True)
    where = Where(snapshot.made("results"))
    if session is not None:
        where.add("session = ?", session)
    if kinds:
        where.add("kind IN (SELECT unnest(?))", list(kinds))
    total = snapshot.count(f"SELECT count(*) FROM results WHERE {where}", where.values)
    rows = snapshot.rows(
        f"SELECT session, kind, body, sequence FROM results WHERE {where} {page.sql('sequence')}", where.values
    )
    found = [ResultRow(session=row[0], kind=row[1], body=msgspec.Raw(row[2].encode()), sequence=row[3]) for row in rows]
    return listed(found, total, page)
