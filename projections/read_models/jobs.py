"""Jobs: what was queued, and where each is in its life.

`jobs` holds what `JobQueued` fixed for ever; `job_states` has a version per fact of its life.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from events.errors import Unknown
from events.facts import Fact
from events.facts.jobs import JobClaimed, JobCompleted, JobFailed, JobProgressed, JobQueued, JobStopped
from projections.batch import Event, TapeGap
from projections.duckdb.store import Snapshot
from projections.duckdb.tables import Table, Writer
from projections.read_models.answers import Listed, Page, Where, listed, named
from projections.read_models.sessions import spec
from projections.read_models.versions import Versions

JOBS = Table(
    "jobs",
    (
        ("job", "VARCHAR"),
        ("kind", "VARCHAR"),
        ("username", "VARCHAR"),
        ("title", "VARCHAR"),
        ("cores", "DOUBLE"),
        ("memory_mb", "BIGINT"),
        ("body", "VARCHAR"),  # JSON as its kind reads it
        ("queued_ns", "BIGINT"),
        ("sequence", "BIGINT"),  # its place in the queue
    ),
    ("job",),
)
_STATE_VALUES = (
    ("state", "VARCHAR"),
    ("worker", "VARCHAR"),
    ("machine", "VARCHAR"),
    ("claim", "BIGINT"),
    ("ratio", "DOUBLE"),
    ("description", "VARCHAR"),
    ("detail", "VARCHAR"),  # JSON of its kind's own figures
    ("result", "VARCHAR"),  # JSON; empty until it is completed
    ("error_code", "VARCHAR"),
    ("error_message", "VARCHAR"),
    ("claimed_ns", "BIGINT"),
    ("ended_ns", "BIGINT"),
    ("symbol", "VARCHAR"),  # of its result, where that is about symbols; only to look for
    ("sharpe_ratio", "DOUBLE"),  # of its result, `UNDEFINED` where it has none; only to look for
)
SOUGHT = ("symbol", "sharpe_ratio")
UNDEFINED = -math.inf  # below any ratio that is asked for
STATES_OVER = ("completed", "failed", "stopped")
QUEUED = "state = 'queued'"
_NOT_OVER = f"state NOT IN {STATES_OVER}"


class JobLife(msgspec.Struct, kw_only=True):
    """One version of a job's state; the fields are the columns, in order."""

    state: str = "queued"
    worker: str = ""
    machine: str = ""
    claim: int = 0
    ratio: float = 0.0
    description: str = ""
    detail: str = "null"
    result: str = ""
    error_code: str = ""
    error_message: str = ""
    claimed_ns: int = 0
    ended_ns: int = 0
    symbol: str = ""
    sharpe_ratio: float = UNDEFINED


class _Metric(msgspec.Struct, frozen=True):
    name: str
    value: float | None = None


class _Measurements(msgspec.Struct, frozen=True):
    metrics: tuple[_Metric, ...] = ()


class _Result(msgspec.Struct, frozen=True):
    """What of a result is looked for; kinds write more, or nothing of it."""

    symbols: tuple[str, ...] = ()
    measurements: _Measurements = _Measurements()


def sought(result: msgspec.Raw) -> tuple[str, float]:
    """Symbol and Sharpe ratio of a result, JSON; never fails."""
    try:
        found = msgspec.json.decode(result, type=_Result)
    except msgspec.MsgspecError:
        return "", UNDEFINED
    ratios = [one.value for one in found.measurements.metrics if one.name == "sharpe_ratio" and one.value is not None]
    return ", ".join(found.symbols), ratios[0] if ratios else UNDEFINED


def evolve(life: JobLife, fact: Fact) -> None:
    """Change the state by one fact; never fails."""
    match fact:
        case JobClaimed():
            life.state, life.worker, life.machine, life.claim = "running", fact.worker, fact.machine, fact.epoch
            life.claimed_ns = life.claimed_ns or fact.claimed_ns
        case JobProgressed():
            life.ratio, life.description, life.detail = fact.ratio, fact.description, bytes(fact.detail).decode()
        case JobCompleted():
            life.state, life.ratio, life.result = "completed", 1.0, bytes(fact.result).decode()
            life.symbol, life.sharpe_ratio = sought(fact.result)
            life.ended_ns = fact.completed_ns
        case JobFailed():
            life.state, life.error_code, life.error_message = "failed", fact.code, fact.message
            life.ended_ns = fact.failed_ns
        case JobStopped():
            life.state, life.ended_ns = "stopped", fact.stopped_ns


class Jobs:
    """Applies the facts of jobs."""

    facts: tuple[type[Fact], ...] = (JobQueued, JobClaimed, JobProgressed, JobCompleted, JobFailed, JobStopped)

    def __init__(self) -> None:
        self._states = Versions("job_states", (("job", "VARCHAR"),), _STATE_VALUES)
        self.tables = (JOBS, self._states.table)
        self._lives: dict[str, JobLife] = {}  # of those that are not over
        self._heads: list[tuple[object, ...]] = []

    def restore(self, writer: Writer) -> None:
        """Read back what further facts build on."""
        columns = ", ".join(name for name, _ in _STATE_VALUES)
        rows = writer.execute(
            f"SELECT job, {columns} FROM job_states WHERE sequence_to IS NULL AND {_NOT_OVER}"
        ).fetchall()
        fields = JobLife.__struct_fields__
        self._lives = {row[0]: JobLife(**dict(zip(fields, row[1:], strict=True))) for row in rows}
        self.clear()

    def apply(self, fact: Fact, event: Event) -> None:
        """One more fact of a job. Raises TapeGap where its beginning is missing."""
        if isinstance(fact, JobQueued):
            if fact.job not in self._lives:  # two processes may have answered two commands for one id at once
                self._begin(fact, event.sequence)
            return
        job = str(getattr(fact, "job", ""))
        life = self._lives.get(job)
        if life is None:
            if isinstance(fact, JobStopped):
                return  # behind its end
            raise TapeGap(
                f"Event {event.sequence} is of job {job}, whose beginning is missing.",
                sequence=event.sequence,
                hint="Check the tape (`tapedeck doctor`), then rebuild the read model from it.",
            )
        evolve(life, fact)
        self._states.put((job,), msgspec.structs.astuple(life), event.sequence)
        if life.state in STATES_OVER:
            del self._lives[job]

    def _begin(self, fact: JobQueued, sequence: int) -> None:
        body = bytes(fact.body).decode()
        self._heads.append(
            (fact.job, fact.kind, fact.user, fact.title, fact.cores, fact.memory_mb, body, fact.queued_ns, sequence)
        )
        life = JobLife(description=fact.title)
        self._lives[fact.job] = life
        self._states.put((fact.job,), msgspec.structs.astuple(life), sequence, first=True)

    def flush(self, writer: Writer) -> None:
        """Write what was gathered."""
        writer.insert_rows(JOBS, self._heads)
        self._states.flush(writer)
        self.clear()

    def clear(self) -> None:
        """Forget what was gathered."""
        self._heads = []
        self._states.clear()


# --- queries ------------------------------------------------------------------------------------------------------


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """One job. `body`, `detail` and `result` are JSON as its kind writes it; `result` is None until it is completed."""

    job: str
    kind: str
    user: str
    title: str
    cores: float
    memory_mb: int
    body: msgspec.Raw
    queued_ns: int
    sequence: int
    state: str
    worker: str
    machine: str
    claim: int
    ratio: float
    description: str
    detail: msgspec.Raw
    result: msgspec.Raw | None
    error_code: str
    error_message: str
    claimed_ns: int
    ended_ns: int
    changed_at: int  # sequence of the last fact of its life
    position: int = 0  # in the queue, 1 is the next; 0 where it does not wait


class JobFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which jobs; all where nothing is named."""

    kinds: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    user: str | None = None
    symbol: str | None = None  # of the result
    sharpe_min: float | None = None  # of the result


_HEAD = ("job", "kind", "username", "title", "cores", "memory_mb", "body", "queued_ns", "sequence")
_LIFE = tuple(name for name in JobLife.__struct_fields__ if name not in SOUGHT)
_COLUMNS = ", ".join((*(f"jobs.{name}" for name in _HEAD), *(f"job_states.{name}" for name in _LIFE), "sequence_from"))


# of an instrument: its result is of a recording that has it
_REPLAYED = (
    "EXISTS (FROM recordings r WHERE r.recording = json_extract_string(nullif(result, ''), '$.recording')"
    " AND json_contains(r.instruments, ?::VARCHAR::JSON))"
)


def _from(snapshot: Snapshot, where: object) -> str:
    """Jobs as of the snapshot, each with its state. The conditions reach both tables before they are joined."""
    return f"FROM jobs JOIN job_states USING (job) WHERE {snapshot.current('job_states')} AND {where}"


def jobs(snapshot: Snapshot, filter: JobFilter | None = None, page: Page | None = None) -> Listed[JobRow]:
    """Jobs in the order in which they were queued."""
    filter, page = filter or JobFilter(), page or Page(newest_first=True)
    where = Where()
    for column, words in (("kind", filter.kinds), ("state", filter.states)):
        if words:
            where.add(f"{column} IN (SELECT unnest(?))", list(words))
    symbol, number = (None, None) if filter.symbol is None else named(snapshot, filter.symbol)
    for condition, value in (
        ("username = ?", filter.user),
        ("symbol = ?", symbol),
        (_REPLAYED, number),
        ("sharpe_ratio >= ?", filter.sharpe_min),
    ):
        if value is not None:
            where.add(condition, value)
    found = _from(snapshot, where)
    total = snapshot.count(f"SELECT count(*) {found}", where.values)
    rows = snapshot.rows(f"SELECT {_COLUMNS} {found} {page.sql('sequence')}", where.values)
    return listed(_rows(snapshot, rows), total, page)


def job(snapshot: Snapshot, name: str) -> JobRow:
    """One job. Raises Unknown."""
    rows = snapshot.rows(f"SELECT {_COLUMNS} {_from(snapshot, 'job = ?')}", [name])
    if not rows:
        raise Unknown(f"There is no job {name[:64]!r} as of sequence {snapshot.sequence}.", field="job")
    return _rows(snapshot, rows)[0]


def session_of(snapshot: Snapshot, name: str) -> str | None:
    """The session that a job began last: begun anew in a new release it has a name that begins with the job's own."""
    where = Where(snapshot.made("sessions"))
    where.add("(session = ? OR starts_with(session, ?))", name, f"{name}_")
    rows = snapshot.rows(f"SELECT session FROM sessions WHERE {where} ORDER BY number DESC", where.values)
    return next((session for (session,) in rows if spec(snapshot, session).job == name), None)


def _rows(snapshot: Snapshot, rows: Iterable[tuple]) -> list[JobRow]:
    """Rows with their places in the queue, which is read only where one of them waits."""
    found = [_row(row) for row in rows]
    if not any(row.state == "queued" for row in found):
        return found
    waiting = snapshot.rows(f"SELECT job {_from(snapshot, QUEUED)} ORDER BY sequence")
    places = {name: at for at, (name,) in enumerate(waiting, 1)}
    return [msgspec.structs.replace(row, position=places.get(row.job, 0)) for row in found]


def _row(row: tuple) -> JobRow:
    values = dict(zip((*_HEAD, *_LIFE, "changed_at"), row, strict=True))
    values["user"] = values.pop("username")
    for name in ("body", "detail"):
        values[name] = msgspec.Raw(values[name].encode())
    values["result"] = msgspec.Raw(values["result"].encode()) if values["result"] else None
    return JobRow(**values)
