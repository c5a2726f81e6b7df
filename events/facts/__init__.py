"""Commands and facts: one tagged struct each, JSON on the tape. One file per aggregate.

What most rooms need is given here; the rest is imported from its file.

Types are for ever. A new field has a default; a changed meaning is a new struct with the next version in its tag and
an upcaster in `codec.py`. A golden sample of every released tag stays in the tests.
"""

from __future__ import annotations

from events.facts import (
    audit,
    catalogue,
    configuration,
    house,
    jobs,
    keys,
    kinds,
    recordings,
    sessions,
    strategies,
    users,
)
from events.facts.catalogue import (
    InstrumentRegistered,
    InstrumentTerms,
)
from events.facts.kinds import (
    Command,
    CommandAccepted,
    CommandRefused,
    Fact,
    Place,
)
from events.facts.recordings import (
    RecordingAbandoned,
    RecordingCompleted,
    RecordingOpened,
    RecordingProgressed,
)
from events.facts.sessions import (
    CancelOrder,
    ChangeCode,
    ChooseSession,
    ChooseSessions,
    CodeChanged,
    HaltLane,
    NoteVerification,
    ResearchCompleted,
    SessionClaimed,
    SessionEnded,
    SessionFailed,
    SessionProgressed,
    SessionStarted,
    SessionSuspended,
    SessionVerified,
    StartSession,
    StepOverran,
    StopSession,
    SubmitOrder,
)
from events.facts.specs import (
    SessionCosts,
    SessionInput,
    SessionLimits,
    SessionMode,
    SessionSpec,
    StrategySetting,
)
from events.facts.users import (
    PasswordChanged,
    RefreshFamilyEnded,
    RefreshTokenUsed,
    RoleChanged,
    UserCreated,
    UserRemoved,
)

ROOMS = (kinds, catalogue, recordings, sessions, strategies, users, jobs, house, configuration, audit, keys)

COMMANDS: tuple[type[Command], ...] = tuple(kind for room in ROOMS for kind in getattr(room, "COMMANDS", ()))
FACTS: tuple[type[Fact], ...] = tuple(kind for room in ROOMS for kind in getattr(room, "FACTS", ()))

__all__ = [
    "COMMANDS",
    "FACTS",
    "CancelOrder",
    "ChangeCode",
    "ChooseSession",
    "ChooseSessions",
    "CodeChanged",
    "Command",
    "CommandAccepted",
    "CommandRefused",
    "Fact",
    "HaltLane",
    "InstrumentRegistered",
    "InstrumentTerms",
    "NoteVerification",
    "PasswordChanged",
    "Place",
    "RecordingAbandoned",
    "RecordingCompleted",
    "RecordingOpened",
    "RecordingProgressed",
    "RefreshFamilyEnded",
    "RefreshTokenUsed",
    "ResearchCompleted",
    "RoleChanged",
    "SessionClaimed",
    "SessionCosts",
    "SessionEnded",
    "SessionFailed",
    "SessionInput",
    "SessionLimits",
    "SessionMode",
    "SessionProgressed",
    "SessionSpec",
    "SessionStarted",
    "SessionSuspended",
    "SessionVerified",
    "StartSession",
    "StepOverran",
    "StopSession",
    "StrategySetting",
    "SubmitOrder",
    "UserCreated",
    "UserRemoved",
]
