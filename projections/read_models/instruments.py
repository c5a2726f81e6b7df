"""Instruments: the catalogue, and what was changed in it."""

from __future__ import annotations

import msgspec

from events.errors import Unknown
from events.facts import Fact, InstrumentRegistered
from events.facts.catalogue import FACTS, InstrumentChanged, InstrumentRemoved
from projections.batch import Event, TapeGap
from projections.duckdb.store import Snapshot
from projections.duckdb.tables import Writer
from projections.read_models.answers import LETTERS, Listed, Page, Where, listed
from projections.read_models.versions import Versions

EVERY_MAX = 10_000  # instruments of one answer that is no page

_DETAILS = (
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
_VALUES = (
    ("symbol", "VARCHAR"),
    ("venue", "VARCHAR"),
    *_DETAILS,
    ("state", "VARCHAR"),  # registered or removed
    ("changed_ns", "BIGINT"),  # when its last fact was appended
)
_NAMES = tuple(name for name, _ in _VALUES)


class Instruments:
    """Applies the facts of instruments; a number registered again is another version of it."""

    facts: tuple[type[Fact], ...] = FACTS

    def __init__(self) -> None:
        self._versions = Versions("instruments", (("number", "INTEGER"),), _VALUES)
        self.tables = (self._versions.table,)
        self._there: dict[int, dict[str, object]] = {}  # values by number

    def restore(self, writer: Writer) -> None:
        """Read back the newest versions."""
        rows = writer.execute(
            f"SELECT number, {', '.join(_NAMES)} FROM instruments WHERE sequence_to IS NULL"
        ).fetchall()
        self._there = {row[0]: dict(zip(_NAMES, row[1:], strict=True)) for row in rows}
        self._versions.clear()

    def apply(self, fact: Fact, event: Event) -> None:
        """One more fact.

        Raises:
            TapeGap: it is of a number that was never given.
        """
        match fact:
            case InstrumentRegistered(number=number):
                values = {name: getattr(fact, name) for name in ("symbol", "venue", *(name for name, _ in _DETAILS))}
                self._put(number, self._there.get(number, {}) | values | {"state": "registered"}, event)
            case InstrumentChanged(number=number, details=details):
                self._put(number, self._of(number, event) | msgspec.structs.asdict(details), event)
            case InstrumentRemoved(number=number):
                self._put(number, self._of(number, event) | {"state": "removed"}, event)

    def _of(self, number: int, event: Event) -> dict[str, object]:
        if number not in self._there:
            raise TapeGap(
                f"Event {event.sequence} is of instrument {number}, which has no fact.", sequence=event.sequence
            )
        return self._there[number]

    def _put(self, number: int, values: dict[str, object], event: Event) -> None:
        self._there[number] = values | {"changed_ns": event.appended_ns}
        self._versions.put((number,), tuple(self._there[number][name] for name in _NAMES), event.sequence)

    def flush(self, writer: Writer) -> None:
        """Write what was gathered."""
        self._versions.flush(writer)


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
    state: str
    changed_ns: int
    sequence: int  # of the fact that says so


_COLUMNS = f"number, {', '.join(_NAMES)}, sequence_from"


class InstrumentFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which instruments; all that are not removed where nothing is named."""

    symbol: str | None = None
    number: int | None = None
    venue: str | None = None
    asset_type: str | None = None
    state: str | None = "registered"
    letters: str | None = None  # the symbol in capitals without what parts it: BTCUSDT of BTC_USDT and BTC/USDT


def instruments(
    snapshot: Snapshot, filter: InstrumentFilter | None = None, page: Page | None = None
) -> Listed[InstrumentRow]:
    """Instruments in order of number."""
    filter, page = filter or InstrumentFilter(), page or Page()
    where = Where(snapshot.current("instruments"))
    for name in filter.__struct_fields__:
        if (value := getattr(filter, name)) is not None:
            where.add(f"{LETTERS if name == 'letters' else name} = ?", value)
    total = snapshot.count(f"SELECT count(*) FROM instruments WHERE {where}", where.values)
    rows = snapshot.rows(f"SELECT {_COLUMNS} FROM instruments WHERE {where} {page.sql('number')}", where.values)
    return listed([_row(row) for row in rows], total, page)


def every(snapshot: Snapshot) -> list[InstrumentRow]:
    """All that are not removed in order of number, `EVERY_MAX` at most."""
    where = Where(snapshot.current("instruments"), "state = 'registered'")
    rows = snapshot.rows(f"SELECT {_COLUMNS} FROM instruments WHERE {where} ORDER BY number LIMIT {EVERY_MAX}")
    return [_row(row) for row in rows]


def instrument(snapshot: Snapshot, number: int) -> InstrumentRow:
    """The instrument of a number, also one that was removed. Raises Unknown."""
    where = Where(snapshot.current("instruments"))
    where.add("number = ?", number)
    row = snapshot.one(f"SELECT {_COLUMNS} FROM instruments WHERE {where}", where.values)
    if row is None:
        raise Unknown(f"There is no instrument number {number}.", field="instrument")
    return _row(row)


def _row(row: tuple) -> InstrumentRow:
    return InstrumentRow(**dict(zip(InstrumentRow.__struct_fields__, row, strict=True)))
