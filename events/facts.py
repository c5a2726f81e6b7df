"""Commands and facts: one tagged struct each, JSON on the tape.

Types are for ever. A new field has a default; a changed meaning is a new struct with the next version in its tag and
an upcaster in `codec.py`. A golden sample of every released tag stays in the tests.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Fact(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    """What happened. Past tense; never refused."""


class Command(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    """What somebody wants. Imperative; answered exactly once.

    `key` is the client's idempotency key: the same key gives the same answer, however late.
    """

    key: str
    user: str


# --- shared parts -------------------------------------------------------------------------------------------------

SessionMode = Literal["live", "paper", "backtest", "collect"]


class Place(msgspec.Struct, frozen=True, order=True):
    """A row on the tape: `index` counts rows of the market section of the message at `sequence`."""

    sequence: int = 0
    index: int = 0


class InstrumentTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a session needs to know of an instrument. Prices in quote, quantities in base units, fees as ratios."""

    number: int
    symbol: str
    quote: str
    price_step: float
    quantity_step: float
    notional_min: float
    maker_fee_ratio: float
    taker_fee_ratio: float


class StrategySetting(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy of a session with its resolved parameters; it runs on every instrument of the session."""

    strategy: str
    params: dict[str, float | int | bool]
    allocation_ratio: float = 1.0  # share of the global cap
    symbols: tuple[str, ...] = ()  # empty: all of the session


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Budget, protective exits and execution model. Notionals in quote currency, ratios as shares of one."""

    cash: float = 10_000.0
    global_cap: float = 10_000.0
    position_max: float = 0.0  # notional of one lane; 0: no limit
    order_notional: float = 0.0  # size of an entry that names none; 0: a tenth of the lane's allocation
    stop_loss_ratio: float = 0.0
    take_profit_ratio: float = 0.0
    trailing_ratio: float = 0.0
    fill_ratio_max: float = 1.0
    slippage_ratio: float = 0.0
    slippage_jitter_ratio: float = 0.0
    latency_ms: float = 0.0
    latency_jitter_ms: float = 0.0
    queue_ratio: float = 1.0
    equity_interval_ms: int = 60_000
    close_on_stop: bool = False
    allow_short: bool = True


class SessionInput(msgspec.Struct, frozen=True, kw_only=True):
    """Where rows come from: the tail of a source, or a recording read by reference."""

    source: str
    recording: str | None = None  # None: the tail of `source`
    acceleration: float = 0.0  # pace against event time; 0: as fast as possible
    first: Place | None = None  # of the recording's window
    last: Place | None = None


class SessionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All that the loop reads. Whoever has it and the input rows has the decisions."""

    session: str
    mode: SessionMode
    user: str
    input: SessionInput
    instruments: tuple[InstrumentTerms, ...]
    strategies: tuple[StrategySetting, ...]
    limits: SessionLimits
    seed: int
    code_hash: str
    designated: Literal["event", "received"] = "event"
    body_hash: str = ""  # of the request, for idempotent starts
    parent: str | None = None  # the session this one forks or verifies
    research: bool = False
    commands: tuple[tuple[int, str], ...] = ()  # (input ordinal, command as JSON) of a fork with commands
    grid: tuple[dict[str, float | int | bool], ...] = ()  # a sweep: parameters of each run; results only
    name: str = ""


# --- the catalogue and recordings ---------------------------------------------------------------------------------


class InstrumentRegistered(Fact, frozen=True, tag="InstrumentRegistered"):
    """An instrument has a number. The same symbol and venue never gets a second one."""

    number: int
    symbol: str
    venue: str
    asset_type: str
    base: str
    quote: str
    price_step: float
    quantity_step: float
    notional_min: float = 0.0
    maker_fee_ratio: float = 0.001
    taker_fee_ratio: float = 0.001
    name: str = ""
    primary_source: str = ""


class RecordingOpened(Fact, frozen=True, tag="RecordingOpened"):
    """A source starts a recording; its market frames follow on the source's subject."""

    recording: str
    source: str
    origin: Literal["import", "simulated", "file", "collect", "live"]
    description: str
    instruments: tuple[int, ...]
    symbols: tuple[str, ...]
    kinds: tuple[str, ...]
    section: Literal["market", "bar"] = "market"
    designated: Literal["event", "received"] = "event"
    mapping: str = ""  # how the input was read, as JSON
    content_id: str = ""  # hash of file bytes and mapping: the same import is the same recording
    user: str = "system"
    opened_ns: int = 0
    session: str | None = None  # the collect session that made it


class RecordingCompleted(Fact, frozen=True, tag="RecordingCompleted"):
    """The recording is whole and may be replayed."""

    recording: str
    rows: int
    first: Place
    last: Place
    first_event_ns: int
    last_event_ns: int
    content_hash: str  # BLAKE2b over the packed rows in order
    completed_ns: int = 0
    findings: tuple[str, ...] = ()


class RecordingAbandoned(Fact, frozen=True, tag="RecordingAbandoned"):
    """The recording will not be finished. Its rows stay on the tape."""

    recording: str
    reason: str


# --- commands and answers -----------------------------------------------------------------------------------------


class StartSession(Command, frozen=True, tag="StartSession"):
    """Run a session. `spec.session` is the id it will have."""

    spec: SessionSpec
    replaces: bool = False  # C26: ends the same user's running session of the same mode
    idempotent: bool = False  # C26: an equal body of the same user that runs is answered with its session


class StopSession(Command, frozen=True, tag="StopSession"):
    """Stop at this command's own place (tail) or at the place the engine confirms (recording)."""

    session: str
    close_positions: bool | None = None  # None: as the session's limits say


class SubmitOrder(Command, frozen=True, tag="SubmitOrder"):
    """An order by hand."""

    session: str
    symbol: str
    side: Literal["buy", "sell"]
    quantity: float
    kind: Literal["market", "limit", "stop", "stop_limit", "trailing"] = "market"
    price: float = 0.0
    stop_price: float = 0.0
    time_in_force: Literal["GTC", "IOC", "FOK"] = "GTC"


class CancelOrder(Command, frozen=True, tag="CancelOrder"):
    """Cancel a working order; order 0 means all of the session."""

    session: str
    order: int


class HaltLane(Command, frozen=True, tag="HaltLane"):
    """No new entries of a strategy on a symbol, or go on."""

    session: str
    strategy: str
    symbol: str
    halted: bool


class CommandAccepted(Fact, frozen=True, tag="CommandAccepted"):
    """The one answer to a command that was carried out, or that found everything so already."""

    key: str
    cause: int  # sequence of the command
    session: str = ""
    effective_input: int | None = None  # acts before the session input of this ordinal
    changed: bool = True


class CommandRefused(Fact, frozen=True, tag="CommandRefused"):
    """The one answer to a command that was not carried out. Nothing changed."""

    key: str
    cause: int
    code: str
    message: str
    field: str | None = None
    session: str = ""


# --- the life of a session ----------------------------------------------------------------------------------------


class SessionStarted(Fact, frozen=True, tag="SessionStarted"):
    """The session exists; engines may claim it. `after` is where a tail's window opens."""

    spec: SessionSpec
    after: int = 0
    started_ns: int = 0


class SessionClaimed(Fact, frozen=True, tag="SessionClaimed"):
    """An engine runs it, under this epoch; one of an older epoch is stale."""

    session: str
    engine: str
    epoch: int


class SessionProgressed(Fact, frozen=True, tag="SessionProgressed"):
    """How far a session has read without deciding anything; written at most every few seconds."""

    session: str
    epoch: int
    inputs: int
    place: Place


class SessionEnded(Fact, frozen=True, tag="SessionEnded"):
    """Nothing follows. The hash is over all decision rows."""

    session: str
    reason: Literal["completed", "stopped", "replaced"]
    inputs: int
    place: Place
    decision_hash: str
    counts: dict[str, int]
    equity: float
    ended_ns: int = 0


class SessionFailed(Fact, frozen=True, tag="SessionFailed"):
    """The session stopped by itself; what it decided before stands."""

    session: str
    code: str
    message: str
    at: Place = Place()
    ended_ns: int = 0


class SessionSuspended(Fact, frozen=True, tag="SessionSuspended"):
    """Recovery met another code: it waits for `CodeChanged` or a stop."""

    session: str
    code_hash: str
    found_hash: str


class CodeChanged(Fact, frozen=True, tag="CodeChanged"):
    """Somebody allowed the session to go on under another code from this input on."""

    session: str
    code_hash: str
    inputs: int
    user: str


class SessionVerified(Fact, frozen=True, tag="SessionVerified"):
    """A replay of the session was compared with its log, row by row."""

    session: str
    equal: bool
    decision_hash: str
    rows: int
    detail: str = ""


class ResearchCompleted(Fact, frozen=True, tag="ResearchCompleted"):
    """Results of a job that keeps no decisions of its own: a sweep's table, for instance."""

    research: str
    kind: Literal["sweep"]
    body: msgspec.Raw


# --- users (the VAULT stream only) --------------------------------------------------------------------------------


class UserCreated(Fact, frozen=True, tag="UserCreated"):
    """A user with a password hash (argon2id) and a role."""

    name: str
    role: Literal["viewer", "trader", "admin"]
    password_hash: str


class PasswordChanged(Fact, frozen=True, tag="PasswordChanged"):
    """Another password hash; tokens given out before are void."""

    name: str
    password_hash: str


class RoleChanged(Fact, frozen=True, tag="RoleChanged"):
    """Another role; tokens given out before are void."""

    name: str
    role: Literal["viewer", "trader", "admin"]


class UserRemoved(Fact, frozen=True, tag="UserRemoved"):
    """The user may no longer log in."""

    name: str


COMMANDS: tuple[type[Command], ...] = (StartSession, StopSession, SubmitOrder, CancelOrder, HaltLane)
FACTS: tuple[type[Fact], ...] = (
    InstrumentRegistered,
    RecordingOpened,
    RecordingCompleted,
    RecordingAbandoned,
    CommandAccepted,
    CommandRefused,
    SessionStarted,
    SessionClaimed,
    SessionProgressed,
    SessionEnded,
    SessionFailed,
    SessionSuspended,
    CodeChanged,
    SessionVerified,
    ResearchCompleted,
    UserCreated,
    PasswordChanged,
    RoleChanged,
    UserRemoved,
)
