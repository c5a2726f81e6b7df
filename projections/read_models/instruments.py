"""Instruments: the catalogue as registered."""

from __future__ import annotations

import msgspec

from events.errors import Unknown
from events.facts import InstrumentRegistered
from projections.duckdb.store import Snapshot
from projections.duckdb.tables import Writer
from projections.read_models.answers import Listed, Page, Where, listed
from projections.read_models.versions import Versions

_VALUES = (
    ("symbol", "VARCHAR"),
    ("venue", "VARCHAR"),
    ("asset_type", "VARCHAR"),
    ("base", "VARCHAR"),
    ("quote", "VARCHAR"),
    ("price_step", "DOUBLE"),
    ("quantity_step", "DOUBLE"),
    ("notional_min", "DOUBLE"),
    ("maker_fee_ratio", "DOUBLE"),
    ("taker_fee_ratio", "DOUBLE"),
    ("name", "VARCHAR"),
    ("primary_source", "VARCHAR"),
)


class Instruments:
    """Applies `InstrumentRegistered`; a number registered again is another version of it."""

    def __init__(self) -> None:
        self._versions = Versions("instruments", (("number", "INTEGER"),), _VALUES)
        self.tables = (self._versions.table,)

    def restore(self, writer: Writer) -> None:
        """Nothing is kept between batches."""
        self.clear()

    def register(self, fact: InstrumentRegistered, sequence: int) -> None:
        """An instrument has a number."""
        values = tuple(getattr(fact, name) for name, _ in _VALUES)
        self._versions.put((fact.number,), values, sequence)

    def flush(self, writer: Writer) -> None:
        """Write what was gathered."""
        self._versions.flush(writer)

    def clear(self) -> None:
        """Forget what was gathered."""
        self._versions.clear()


# --- queries ------------------------------------------------------------------------------------------------------


class InstrumentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument. Steps of 0: not known; fees as shares of one."""

    number: int
    symbol: str
    venue: str
    asset_type: str
    base: str
    quote: str
    price_step: float
    quantity_step: float
    notional_min: float
    maker_fee_ratio: float
    taker_fee_ratio: float
    name: str
    primary_source: str
    sequence: int  # of the fact that says so


_COLUMNS = "number, " + ", ".join(name for name, _ in _VALUES) + ", sequence_from"


class InstrumentFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which instruments; all where nothing is named."""

    symbol: str | None = None
    venue: str | None = None
    asset_type: str | None = None


def instruments(
    snapshot: Snapshot, filter: InstrumentFilter | None = None, page: Page | None = None
) -> Listed[InstrumentRow]:
    """Instruments in order of number."""
    filter, page = filter or InstrumentFilter(), page or Page()
    where = Where(snapshot.current("instruments"))
    for name in filter.__struct_fields__:
        if (value := getattr(filter, name)) is not None:
            where.add(f"{name} = ?", value)
    total = snapshot.count(f"SELECT count(*) FROM instruments WHERE {where}", where.values)
    rows = snapshot.rows(f"SELECT {_COLUMNS} FROM instruments WHERE {where} {page.sql('number')}", where.values)
    return listed([_row(row) for row in rows], total, page)


def instrument(snapshot: Snapshot, number: int) -> InstrumentRow:
    """The instrument of a number. Raises Unknown."""
    where = Where(snapshot.current("instruments"))
    where.add("number = ?", number)
    row = snapshot.one(f"SELECT {_COLUMNS} FROM instruments WHERE {where}", where.values)
    if row is None:
        raise Unknown(f"There is no instrument number {number}.", field="instrument")
    return _row(row)


def _row(row: tuple) -> InstrumentRow:
    return InstrumentRow(**dict(zip(InstrumentRow.__struct_fields__, row, strict=True)))
