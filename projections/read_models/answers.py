"""What queries take and give: pages, scopes of sessions, names of codes."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

import msgspec

from events.errors import InvalidInput, LimitReached, Unknown
from events.rows import Code, OrderKind, OrderStatus, Side, SignalKind, TimeInForce
from events.symbols import letters_of, spelled_of
from projections.duckdb.store import Snapshot
from projections.read_models.lanes import on_step

T = TypeVar("T")

PAGE_ROWS_MAX = 1_000
PAGE_OFFSET_MAX = 10_000_000
LETTERS = "upper(regexp_replace(symbol, '[^A-Za-z0-9]', '', 'g'))"  # of an instrument; as `letters_of`
_NUMBER = re.compile(r"[0-9]{1,18}\Z")
EXPORT_ROWS_MAX = 5_000_000  # rows of one session given as one array


class Page(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of a list: `limit` rows behind the first `offset`."""

    limit: int = 100
    offset: int = 0
    newest_first: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= PAGE_ROWS_MAX:
            raise InvalidInput(f"limit is {self.limit}; it must be 1 to {PAGE_ROWS_MAX}.", field="limit")
        if not 0 <= self.offset <= PAGE_OFFSET_MAX:
            raise InvalidInput(f"offset is {self.offset}; it must be 0 to {PAGE_OFFSET_MAX}.", field="offset")

    def order(self, *keys: str) -> str:
        """ORDER BY."""
        way = "DESC" if self.newest_first else "ASC"
        return "ORDER BY " + ", ".join(f"{key} {way}" for key in keys)

    def sql(self, *keys: str) -> str:
        """ORDER BY, LIMIT and OFFSET."""
        return f"{self.order(*keys)} LIMIT {self.limit} OFFSET {self.offset}"


class Listed(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list. `next` is the offset of the following page, None at the end."""

    rows: list[T]
    total: int
    next: int | None


def listed(rows: list[T], total: int, page: Page) -> Listed[T]:
    """A page with its place in the whole."""
    behind = page.offset + len(rows)
    return Listed(rows, total, behind if rows and behind < total else None)


class Cursor(NamedTuple):
    """Where a walk from the newest row to the oldest goes on: behind the row of this sequence and ordinal."""

    sequence: int
    ordinal: int

    def __str__(self) -> str:
        return f"{self.sequence}-{self.ordinal}"


def cursor_of(text: str | None) -> Cursor | None:
    """The cursor that a client sends back; None at the start of a walk.

    Raises:
        InvalidInput: no cursor of ours.
    """
    if text is None:
        return None
    sequence, dash, ordinal = text.partition("-")
    if not (dash and _NUMBER.match(sequence) and _NUMBER.match(ordinal)):
        raise InvalidInput(f"cursor is {text[:40]!r}; send back the nextCursor of the page before.", field="cursor")
    return Cursor(int(sequence), int(ordinal))


class Walked(msgspec.Struct, Generic[T], frozen=True):
    """One page of a walk, the newest row first. `total` counts the rows of all pages, `next` is None at the end."""

    rows: list[T]
    total: int
    next: Cursor | None


class Where:
    """Conditions joined by AND, with their values in order."""

    def __init__(self, *conditions: str) -> None:
        self.conditions = list(conditions)
        self.values: list[object] = []

    def add(self, condition: str, *values: object) -> None:
        """One more condition and the values of its question marks."""
        self.conditions.append(condition)
        self.values.extend(values)

    def __str__(self) -> str:
        return " AND ".join(self.conditions) or "true"


class Scope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose rows: of one session, or of all live and paper sessions (and research where asked for).

    `from_ns` and `to_ns` bound event time, from inclusive, to exclusive.
    """

    session: str | None = None
    symbol: str | None = None
    strategy: str | None = None
    include_research: bool = False
    from_ns: int | None = None
    to_ns: int | None = None

    def narrow(self, snapshot: Snapshot, where: Where, table: str) -> None:
        """Add this scope's conditions on a table with the columns session, lane and ts_event_ns.

        Raises:
            Unknown: no such session as of the snapshot. InvalidInput: the symbol may be several.
        """
        own: list[str] = []
        if self.session is not None:
            session = number_of(snapshot, self.session)
            where.add(f"{table}.session = ?", session)
            lanes = "SELECT DISTINCT symbol FROM lanes WHERE session = ?"
            own = [symbol for (symbol,) in snapshot.rows(lanes, [session])] if self.symbol is not None else own
        elif not self.include_research:
            where.add(f"{table}.session IN (SELECT number FROM sessions WHERE NOT research)")
        symbol, number = (None, None) if self.symbol is None else named(snapshot, self.symbol, own)
        for column, value in (("symbol", symbol), ("instrument", number), ("strategy", self.strategy)):
            if value is not None:
                where.add(
                    f"EXISTS (FROM lanes WHERE lanes.session = {table}.session AND lanes.lane = {table}.lane"
                    f" AND lanes.{column} = ?)",
                    value,
                )
        self.in_time(where, table)

    def in_time(self, where: Where, table: str, column: str = "ts_event_ns") -> None:
        """Add the bounds of event time."""
        if self.from_ns is not None:
            where.add(f"{table}.{column} >= ?", self.from_ns)
        if self.to_ns is not None:
            where.add(f"{table}.{column} < ?", self.to_ns)


def number_of(snapshot: Snapshot, session: str) -> int:
    """The number of a session in these tables.

    Raises:
        Unknown: no such session as of the snapshot.
    """
    row = snapshot.one(f"SELECT number FROM sessions WHERE session = ? AND {snapshot.made('sessions')}", [session])
    if row is None:
        raise Unknown(f"There is no session {session[:64]!r} as of sequence {snapshot.sequence}.", field="session")
    return int(row[0])


class Named(NamedTuple):
    """An instrument by its symbol, and its number where a venue is named; None: of whichever venue."""

    symbol: str
    number: int | None = None


NO_NUMBER = 0  # of a venue that has no such symbol: nothing has it


def named(snapshot: Snapshot, text: str, own: Collection[str] = ()) -> Named:
    """What SYMBOL or SYMBOL@VENUE is, or once was, registered as of the snapshot, however it is written; else as it is.

    `own`: of a session's, see `spelled_of`.

    Raises:
        InvalidInput: it may be several.
    """
    known = snapshot.rows(
        "SELECT DISTINCT symbol, venue, number FROM instruments"
        f" WHERE sequence_from <= {snapshot.sequence} AND {LETTERS} = ?",
        [letters_of(text.partition("@")[0])],
    )
    symbol, parted, venue = spelled_of(text, [(name, at) for name, at, _ in known], own).partition("@")
    numbers = {(name, at): number for name, at, number in known}
    return Named(symbol, numbers.get((symbol, venue), NO_NUMBER) if parted else None)


def trading(snapshot: Snapshot, text: str, where: Where) -> None:
    """Add the condition that a session `s` has SYMBOL or SYMBOL@VENUE. Raises InvalidInput: it may be several."""
    symbol, number = named(snapshot, text)
    where.add("contains(s.symbols, ?)", msgspec.json.encode(symbol).decode())
    if number is not None:
        where.add("EXISTS (FROM lanes WHERE lanes.session = s.number AND lanes.instrument = ?)", number)


def bounded(rows: int, what: str) -> None:
    """Refuse an export that is too large.

    Raises:
        LimitReached: more rows than `EXPORT_ROWS_MAX`.
    """
    if rows > EXPORT_ROWS_MAX:
        raise LimitReached(
            f"{rows} {what} are more than {EXPORT_ROWS_MAX} at once (EXPORT_ROWS_MAX).",
            hint="Name a range of time, or read pages.",
        )


# Joins that give every row of a table `t` the names of its session and lane.
_NAMED = "JOIN sessions s ON s.number = t.session LEFT JOIN lanes l ON l.session = t.session AND l.lane = t.lane"
_NAMES = "s.session, coalesce(l.strategy, ''), coalesce(l.symbol, '')"
_STEP = "coalesce(l.quantity_step, 0.0)"


class Listing(msgspec.Struct, Generic[T], frozen=True):
    """How rows of a table with session and lane become structs.

    `columns` are those behind session, strategy and symbol, in the order of the fields of `row`; `words` names the
    codes among them by field, and `quantities` are worded on the step of the lane's instrument.
    """

    table: str
    row: type[T]
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    words: dict[str, dict[int, str]]
    quantities: tuple[str, ...] = ()

    def page(self, snapshot: Snapshot, where: Where, page: Page) -> Listed[T]:
        """One page of the rows that a condition on the table selects."""
        total = snapshot.count(f"SELECT count(*) FROM {self.table} WHERE {where}", where.values)
        columns = ", ".join(_column(column, snapshot.sequence) for column in self.columns)
        rows = snapshot.rows(
            f"SELECT {_STEP}, {_NAMES}, {columns}"
            f" FROM (SELECT * FROM {self.table} WHERE {where} {page.sql(*self.keys)}) t {_NAMED}"
            f" {page.order(*(f't.{key}' for key in self.keys))}",
            where.values,
        )
        return listed([self._struct(row) for row in rows], total, page)

    def walk(self, snapshot: Snapshot, where: Where, cursor: Cursor | None, limit: int) -> Walked[T]:
        """One page from the newest row on; rows that come meanwhile are newer than every cursor."""
        total = snapshot.count(f"SELECT count(*) FROM {self.table} WHERE {where}", where.values)
        if cursor is not None:
            where.add("(sequence, ordinal) < (?, ?)", *cursor)
        page = Page(limit=limit, newest_first=True)
        found = self.page(snapshot, where, page)
        rows = found.rows
        last = Cursor(rows[-1].sequence, rows[-1].ordinal) if rows and found.total > len(rows) else None  # type: ignore[attr-defined]
        return Walked(rows, total, last)

    def _struct(self, row: tuple) -> T:
        step, *values = row
        fields = dict(zip(self.row.__struct_fields__, values, strict=True))  # type: ignore[attr-defined]
        for name, words in self.words.items():
            fields[name] = words.get(fields[name], str(fields[name]))
        for name in self.quantities:
            fields[name] = on_step(fields[name], step)
        return self.row(**fields)


def _column(name: str, sequence: int) -> str:
    """A column of `t`; an end that lies behind the snapshot has not happened yet."""
    return f"CASE WHEN t.{name} <= {sequence} THEN t.{name} END" if name == "sequence_to" else f"t.{name}"


def _words(kind: type[IntEnum], *, upper: bool = False) -> dict[int, str]:
    return {member.value: member.name if upper else member.name.lower() for member in kind}


SIDES = _words(Side)
CODES = _words(Code, upper=True)
SIGNAL_KINDS = _words(SignalKind)
ORDER_KINDS = _words(OrderKind)
ORDER_STATUSES = _words(OrderStatus)
TIMES_IN_FORCE = _words(TimeInForce, upper=True)


def number_for(words: dict[int, str], name: str, field: str) -> int:
    """The number of a name.

    Raises:
        InvalidInput: no such name.
    """
    for number, known in words.items():
        if known == name:
            return number
    raise InvalidInput(f"{field} is {name[:40]!r}; it must be one of {', '.join(words.values())}.", field=field)


def numbers_for(words: dict[int, str], names: Sequence[str], field: str) -> list[int]:
    """The numbers of names. Raises as `number_for`."""
    return [number_for(words, name, field) for name in names]
