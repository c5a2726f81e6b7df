"""What a file of read models gives the projection: its tables, and how they are filled."""

from __future__ import annotations

from typing import Any, Protocol

from events.facts import Fact
from projections.batch import Event
from projections.duckdb.tables import Table, Writer


class Keeper(Protocol):
    """Gathers over a batch and writes in its transaction."""

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables it fills."""
        ...

    def restore(self, writer: Writer) -> None:
        """Forget what was gathered; read from the tables what is kept in memory between batches."""
        ...

    def flush(self, writer: Writer) -> None:
        """Write what was gathered."""
        ...


class Plain(Keeper, Protocol):
    """A keeper of facts that need nothing of other tables: it is added to one tuple of `DuckReadModel`, and no more."""

    facts: tuple[type[Fact], ...]

    def apply(self, fact: Any, event: Event) -> None:
        """One more fact of `facts`; `event` has its sequence and the time it was appended."""
        ...
