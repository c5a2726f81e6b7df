"""Sessions: commands to them, and the facts of their life."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from events.facts.kinds import Command, Fact, Place
from events.facts.specs import SessionMode, SessionSpec


class StartSession(Command, frozen=True, tag="StartSession"):
    """Run a session. `spec.session` is the id it will have."""

    aggregate: ClassVar[str] = "desk"

    spec: SessionSpec
    replaces: bool = False  # C26: ends the same user's running session of the same mode
    idempotent: bool = False  # C26: an equal body of the same user that runs is answered with its session


class ChooseSession(Command, frozen=True, tag="ChooseSession"):
    """Which session an order goes to that names none: the user's newest running paper session of the symbol.

    The answer has it. Repeated under its key it is the same session, whatever was started or ended since.
    """

    aggregate: ClassVar[str] = "desk"

    symbol: str
    instrument: int = 0  # its number, where a venue is named; 0: of whichever


class ChooseSessions(Command, frozen=True, tag="ChooseSessions"):
    """Which sessions a stop ends that names none: the user's own of the mode, none of a job, no sweep, no fork; with
    `every`, all of the user's but those of a job, live and paper first.

    The answer has them, and the mode as its `id`. Repeated under its key they are the same ones, whatever was started
    or ended since.
    """

    aggregate: ClassVar[str] = "desk"

    mode: SessionMode
    every: bool = False  # whatever their mode; `mode` is then the one that was set when it was asked


class StopSession(Command, frozen=True, tag="StopSession"):
    """Stop at this command's own place (tail) or at the place the engine confirms (recording)."""

    aggregate: ClassVar[str] = "session"

    session: str
    close_positions: bool | None = None  # None: as the session's limits say


class SubmitOrder(Command, frozen=True, tag="SubmitOrder"):
    """An order by hand."""

    aggregate: ClassVar[str] = "session"

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

    aggregate: ClassVar[str] = "session"

    session: str
    order: int


class HaltLane(Command, frozen=True, tag="HaltLane"):
    """No new entries of a strategy on a symbol, or go on."""

    aggregate: ClassVar[str] = "session"

    session: str
    strategy: str
    symbol: str
    halted: bool


class ChangeCode(Command, frozen=True, tag="ChangeCode"):
    """Let a suspended session go on under the code that was found; `code_hash` names it."""

    aggregate: ClassVar[str] = "session"

    session: str
    code_hash: str


class NoteVerification(Command, frozen=True, tag="NoteVerification"):
    """Keep what a replay of an ended session found; it becomes `SessionVerified`."""

    aggregate: ClassVar[str] = "session"

    session: str
    equal: bool
    decision_hash: str
    rows: int
    detail: str = ""


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
    collected: int = 0  # rows of its instruments so far, of a collect session


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


class StepOverran(Fact, frozen=True, tag="StepOverran"):
    """A step took longer than allowed, so its process was ended. A second one within the same inputs fails the session.

    The step read inputs from `first_input` up to, without, `last_input`; `at` is its first row.
    """

    session: str
    engine: str
    epoch: int  # of the claim under which it ran
    first_input: int
    last_input: int
    at: Place
    seconds: float  # that it was given


class SessionSuspended(Fact, frozen=True, tag="SessionSuspended"):
    """Recovery met another code: it waits for `CodeChanged` or a stop."""

    session: str
    code_hash: str
    found_hash: str


class CodeChanged(Fact, frozen=True, tag="CodeChanged"):
    """Somebody allowed the session to go on under another code: `inputs` at least were read under the one before."""

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


COMMANDS: tuple[type[Command], ...] = (
    StartSession,
    ChooseSession,
    ChooseSessions,
    StopSession,
    SubmitOrder,
    CancelOrder,
    HaltLane,
    ChangeCode,
    NoteVerification,
)
FACTS: tuple[type[Fact], ...] = (
    SessionStarted,
    SessionClaimed,
    SessionProgressed,
    SessionEnded,
    SessionFailed,
    StepOverran,
    SessionSuspended,
    CodeChanged,
    SessionVerified,
    ResearchCompleted,
)
