"""Sessions: what was started, and where each is in its life.

`sessions` and `lanes` hold what `SessionStarted` fixed for ever; `session_states` has a version per life-cycle fact.
"""

from __future__ import annotations

import msgspec

from events.errors import Unknown
from events.facts import (
    CodeChanged,
    Fact,
    Place,
    SessionClaimed,
    SessionEnded,
    SessionFailed,
    SessionProgressed,
    SessionSpec,
    SessionStarted,
    SessionSuspended,
)
from projections.duckdb.store import Snapshot
from projections.duckdb.tables import Table, Writer
from projections.read_models.answers import Listed, Page, Where, listed, number_of, trading
from projections.read_models.lanes import LANES, lane_rows
from projections.read_models.versions import Versions

SESSIONS = Table(
    "sessions",
    (
        ("number", "INTEGER"),  # in order of start; what other tables call `session`
        ("session", "VARCHAR"),
        ("name", "VARCHAR"),
        ("mode", "VARCHAR"),
        ("username", "VARCHAR"),
        ("research", "BOOLEAN"),
        ("parent", "VARCHAR"),
        ("source", "VARCHAR"),
        ("recording", "VARCHAR"),
        ("symbols", "VARCHAR"),  # JSON
        ("strategies", "VARCHAR"),  # JSON: ids
        ("cash", "DOUBLE"),
        ("body_hash", "VARCHAR"),
        ("spec", "VARCHAR"),  # JSON of SessionSpec
        ("started_ns", "BIGINT"),
        ("sequence", "BIGINT"),
    ),
    ("number",),
)
_STATE_VALUES = (
    ("state", "VARCHAR"),
    ("engine", "VARCHAR"),
    ("claim", "BIGINT"),
    ("code_hash", "VARCHAR"),
    ("inputs", "BIGINT"),
    ("place_sequence", "BIGINT"),
    ("place_index", "BIGINT"),
    ("reason", "VARCHAR"),
    ("error_code", "VARCHAR"),
    ("error_message", "VARCHAR"),
    ("decision_hash", "VARCHAR"),
    ("final_equity", "DOUBLE"),
    ("ended_ns", "BIGINT"),
    ("collected", "BIGINT"),
)
LIFE = (SessionClaimed, SessionProgressed, SessionEnded, SessionFailed, SessionSuspended, CodeChanged)
STATES_OVER = ("completed", "stopped", "failed")
NOT_OVER = f"state NOT IN {STATES_OVER}"  # condition on `session_states`
# Condition on a column `session`: what the session decides may go on.
GOES_ON = f"session IN (SELECT session FROM session_states WHERE sequence_to IS NULL AND {NOT_OVER})"


class SessionLife(msgspec.Struct):
    """One version of a session's state; the fields are the columns, in order."""

    state: str = "started"
    engine: str = ""
    claim: int = 0
    code_hash: str = ""
    inputs: int = 0
    place_sequence: int = 0
    place_index: int = 0
    reason: str = ""
    error_code: str = ""
    error_message: str = ""
    decision_hash: str = ""
    final_equity: float | None = None
    ended_ns: int = 0
    collected: int = 0  # rows of a collect session's instruments

    def at(self, inputs: int, place: Place) -> None:
        """How far it has read."""
        self.inputs, self.place_sequence, self.place_index = inputs, place.sequence, place.index


def evolve(life: SessionLife, fact: Fact) -> None:
    """Change the state by one life-cycle fact; never fails."""
    match fact:
        case SessionClaimed():
            life.engine, life.claim = fact.engine, fact.epoch
            if life.state == "started":
                life.state = "running"
        case SessionProgressed():
            life.at(fact.inputs, fact.place)
            life.collected = fact.collected
        case SessionSuspended():
            life.state, life.error_code = "suspended", "OTHER_CODE"
            life.error_message = f"started under code {fact.code_hash}, found {fact.found_hash}"
        case CodeChanged():
            life.state, life.code_hash, life.error_code, life.error_message = "running", fact.code_hash, "", ""
        case SessionEnded():
            life.state = "completed" if fact.reason == "completed" else "stopped"
            life.reason, life.decision_hash = fact.reason, fact.decision_hash
            life.final_equity, life.ended_ns = fact.equity, fact.ended_ns
            life.at(fact.inputs, fact.place)
        case SessionFailed():
            life.state, life.error_code, life.error_message = "failed", fact.code, fact.message
            life.place_sequence, life.place_index, life.ended_ns = fact.at.sequence, fact.at.index, fact.ended_ns


class Sessions:
    """Applies the facts of sessions. `numbers` gives every session its number in the other tables."""

    def __init__(self) -> None:
        self._states = Versions("session_states", (("session", "INTEGER"),), _STATE_VALUES)
        self.tables = (SESSIONS, LANES, self._states.table)
        self.numbers: dict[str, int] = {}
        self._lives: dict[int, SessionLife] = {}
        self._heads: list[tuple[object, ...]] = []
        self._lanes: list[tuple[object, ...]] = []

    def restore(self, writer: Writer) -> None:
        """Read back what further facts build on."""
        self.numbers = dict(writer.execute("SELECT session, number FROM sessions").fetchall())
        columns = ", ".join(name for name, _ in _STATE_VALUES)
        rows = writer.execute(
            f"SELECT session, {columns} FROM session_states WHERE sequence_to IS NULL AND {NOT_OVER}"
        ).fetchall()
        self._lives = {row[0]: SessionLife(*row[1:]) for row in rows}
        self.clear()

    def start(self, fact: SessionStarted, sequence: int) -> None:
        """A session exists."""
        spec = fact.spec
        number = len(self.numbers) + 1
        self.numbers[spec.session] = number
        self._heads.append(_head(number, fact, sequence))
        self._lanes.extend(lane_rows(number, spec))
        life = SessionLife(code_hash=spec.code_hash)
        self._lives[number] = life
        self._states.put((number,), msgspec.structs.astuple(life), sequence, first=True)

    def is_over(self, number: int) -> bool:
        """Whether nothing that a session decides can follow."""
        life = self._lives.get(number)
        return life is None or life.state in STATES_OVER

    def live(self, number: int, fact: Fact, sequence: int) -> bool:
        """One life-cycle fact of a session; whether it changed anything: a session that is over stays so."""
        if self.is_over(number):
            return False
        life = self._lives[number]
        evolve(life, fact)
        self._states.put((number,), msgspec.structs.astuple(life), sequence)
        return True

    def forget_over(self) -> set[int]:
        """Let go of the lives of sessions that are over, and say which they were."""
        over = {number for number, life in self._lives.items() if life.state in STATES_OVER}
        for number in over:
            del self._lives[number]
        return over

    def flush(self, writer: Writer) -> None:
        """Write what was gathered."""
        writer.insert_rows(SESSIONS, self._heads)
        writer.insert_rows(LANES, self._lanes)
        self._heads, self._lanes = [], []
        self._states.flush(writer)

    def clear(self) -> None:
        """Forget what was gathered."""
        self._heads, self._lanes = [], []
        self._states.clear()


def _head(number: int, fact: SessionStarted, sequence: int) -> tuple[object, ...]:
    spec = fact.spec
    return (
        number,
        spec.session,
        spec.name,
        spec.mode,
        spec.user,
        spec.research,
        spec.parent or "",
        spec.input.source,
        spec.input.recording or "",
        _json([one.symbol for one in spec.instruments]),
        _json([one.strategy for one in spec.strategies]),
        spec.limits.cash,
        spec.body_hash,
        _json(spec),
        fact.started_ns,
        sequence,
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


# --- queries ------------------------------------------------------------------------------------------------------


class SessionCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that a session has decided so far, and trades that have ended."""

    signals: int
    orders: int  # steps of orders
    fills: int
    denials: int
    marks: int
    trades: int


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One session. Times in ns UTC, 0 where not yet; money in quote currency."""

    session: str
    name: str
    mode: str
    user: str
    research: bool
    parent: str | None
    source: str
    recording: str | None
    symbols: list[str]
    strategies: list[str]
    cash: float
    body_hash: str
    started_ns: int
    started_at: int  # sequence of `SessionStarted`
    state: str
    engine: str
    claim: int
    code_hash: str
    inputs: int
    place: Place
    reason: str
    error_code: str
    error_message: str
    decision_hash: str
    final_equity: float | None
    ended_ns: int
    collected: int
    changed_at: int  # sequence of the last life-cycle fact
    equity: float | None  # of the newest mark
    fills: int
    trades: int


class SessionFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which sessions: live and paper, and research where asked for."""

    user: str | None = None
    modes: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    parent: str | None = None
    recording: str | None = None
    symbol: str | None = None
    include_research: bool = False
    own: bool = False  # only what was started by itself: none of a job, no sweep, no fork
    of_jobs: bool = True  # also those that run a job


_JOIN = "sessions s JOIN session_states v ON v.session = s.number"
_COLUMNS = (
    "s.session, s.name, s.mode, s.username, s.research, s.parent, s.source, s.recording, s.symbols, s.strategies,"
    " s.cash, s.body_hash, s.started_ns, s.sequence, "
    + ", ".join(f"v.{name}" for name, _ in _STATE_VALUES)
    + ", v.sequence_from, s.number"
)


def sessions(snapshot: Snapshot, filter: SessionFilter | None = None, page: Page | None = None) -> Listed[SessionRow]:
    """Sessions in order of start."""
    filter, page = filter or SessionFilter(), page or Page(newest_first=True)
    where = _where(snapshot, filter)
    total = snapshot.count(f"SELECT count(*) FROM {_JOIN} WHERE {where}", where.values)
    rows = snapshot.rows(f"SELECT {_COLUMNS} FROM {_JOIN} WHERE {where} {page.sql('s.number')}", where.values)
    return listed(_with_figures(snapshot, rows), total, page)


def session(snapshot: Snapshot, name: str) -> SessionRow:
    """One session, research or not.

    Raises:
        Unknown: no such session as of the snapshot.
    """
    where = Where(snapshot.made("s"), snapshot.current("v"))
    where.add("s.session = ?", name)
    rows = snapshot.rows(f"SELECT {_COLUMNS} FROM {_JOIN} WHERE {where}", where.values)
    if not rows:
        raise Unknown(f"There is no session {name[:64]!r} as of sequence {snapshot.sequence}.", field="session")
    return _with_figures(snapshot, rows)[0]


def spec(snapshot: Snapshot, name: str) -> SessionSpec:
    """All that the loop of a session reads. Raises Unknown."""
    row = snapshot.one("SELECT spec FROM sessions WHERE number = ?", [number_of(snapshot, name)])
    assert row is not None, "a session with a number has a row"
    return msgspec.json.decode(row[0], type=SessionSpec)


def counts(snapshot: Snapshot, name: str) -> SessionCounts:
    """How much a session has decided. Raises Unknown."""
    number = number_of(snapshot, name)
    tables = {"signals": "signals", "fills": "fills", "denials": "denials", "marks": "equity", "trades": "trades"}
    parts = [
        f"(SELECT count(*) FROM {table} WHERE session = {number} AND sequence <= {snapshot.sequence}) AS {field}"
        for field, table in tables.items()
    ]
    parts.append(
        f"(SELECT count(*) FROM orders WHERE session = {number} AND sequence_from <= {snapshot.sequence}) AS orders"
    )
    row = snapshot.one(f"SELECT {', '.join(parts)}")
    assert row is not None, "counts are one row"
    return SessionCounts(**dict(zip((*tables, "orders"), row, strict=True)))


def history(snapshot: Snapshot, name: str, page: Page | None = None) -> Listed[tuple[int, SessionLife]]:
    """Every version of a session's state with the sequence that made it. Raises Unknown."""
    page = page or Page()
    where = Where(f"v.sequence_from <= {snapshot.sequence}")
    where.add("v.session = ?", number_of(snapshot, name))
    total = snapshot.count(f"SELECT count(*) FROM session_states v WHERE {where}", where.values)
    columns = ", ".join(name for name, _ in _STATE_VALUES)
    order = page.sql("sequence_from")
    rows = snapshot.rows(f"SELECT sequence_from, {columns} FROM session_states v WHERE {where} {order}", where.values)
    return listed([(row[0], SessionLife(*row[1:])) for row in rows], total, page)


def _where(snapshot: Snapshot, filter: SessionFilter) -> Where:
    where = Where(snapshot.made("s"), snapshot.current("v"))
    if not filter.include_research and filter.parent is None:
        where.add("NOT s.research")
    for column, value in (("username", filter.user), ("parent", filter.parent), ("recording", filter.recording)):
        if value is not None:
            where.add(f"s.{column} = ?", value)
    for column, values in (("s.mode", filter.modes), ("v.state", filter.states)):
        if values:
            where.add(f"{column} IN (SELECT unnest(?))", list(values))
    if filter.own or not filter.of_jobs:
        where.add("coalesce(s.spec->>'job', '') = ''")
    if filter.own:
        where.add("s.parent = '' AND coalesce(json_array_length(s.spec->'grid'), 0) = 0")
    if filter.symbol is not None:
        trading(snapshot, filter.symbol, where)
    return where


def _with_figures(snapshot: Snapshot, rows: list[tuple]) -> list[SessionRow]:
    numbers = [row[-1] for row in rows]
    in_page = "session IN (SELECT unnest(?)) AND sequence <= " + str(snapshot.sequence) + " GROUP BY session"
    equity = dict(snapshot.rows(f"SELECT session, arg_max(equity, ordinal) FROM equity WHERE {in_page}", [numbers]))
    fills = dict(snapshot.rows(f"SELECT session, count(*) FROM fills WHERE {in_page}", [numbers]))
    trades = dict(snapshot.rows(f"SELECT session, count(*) FROM trades WHERE {in_page}", [numbers]))
    return [_row(row, equity.get(row[-1]), fills.get(row[-1], 0), trades.get(row[-1], 0)) for row in rows]


def _row(row: tuple, equity: float | None, fills: int, trades: int) -> SessionRow:
    (name, title, mode, user, research, parent, source, recording, symbols, strategies) = row[:10]
    (cash, body_hash, started_ns, started_at) = row[10:14]
    life = dict(zip(SessionLife.__struct_fields__, row[14:-2], strict=True))
    place = Place(life.pop("place_sequence"), life.pop("place_index"))
    return SessionRow(
        session=name,
        name=title,
        mode=mode,
        user=user,
        research=research,
        parent=parent or None,
        source=source,
        recording=recording or None,
        symbols=msgspec.json.decode(symbols),
        strategies=msgspec.json.decode(strategies),
        cash=cash,
        body_hash=body_hash,
        started_ns=started_ns,
        started_at=started_at,
        place=place,
        changed_at=row[-2],
        equity=equity,
        fills=fills,
        trades=trades,
        **life,
    )
