"""Subjects of the tape. Every token that comes from outside passes `token` first."""

from __future__ import annotations

import re

from events.errors import InvalidInput

TAPE = "tape.>"
CATALOGUE = "tape.catalogue"  # Instruments.
DESK = "tape.desk"  # What runs: sessions that were started, and answers to the desk's commands.
DESK_COMMANDS = "tape.command.desk"  # Commands to the desk.
SESSION_COMMANDS = "tape.command.session.*"  # Commands to any session.
STRATEGIES = "tape.strategies"  # Configured strategies.
CONFIGURATION = "tape.configuration"  # Sections of the configuration, and templates.
JOBS = "tape.jobs"  # Answers to commands about jobs.
HOUSE = "tape.house"  # Restarts of processes and rebuilds of read models.
AUDIT = "tape.audit"  # Who did what, where no other fact says so.
COMMANDS = "tape.command.>"
MARKET = "tape.market.>"
RECORDINGS = "tape.recording.*"
RECORDING_PROGRESS = "tape.recording.*.progress"
SESSIONS = "tape.session.>"
RESEARCH = "tape.research.>"
JOB_FACTS = "tape.job.>"
SESSION_FACTS = ("tape.session.*.fact", "tape.research.*.fact")

# Subjects of the aggregates beside the desk: their answers and facts.
AGGREGATES = (CATALOGUE, STRATEGIES, CONFIGURATION, JOBS, HOUSE)

TOKEN_MAX = 64
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def token(text: str, field: str = "id") -> str:
    """`text` if it may stand between the dots of a subject.

    Raises:
        InvalidInput: empty, longer than 64, or with a character other than A-Z a-z 0-9 _ -.
    """
    if not _TOKEN.match(text):
        shown = repr(text)[:80]
        raise InvalidInput(
            f"{field} is {shown}; it must be 1 to {TOKEN_MAX} characters of A-Z a-z 0-9 _ -.",
            field=field,
        )
    return text


def market(source: str) -> str:
    """Frames of a source."""
    return f"tape.market.{token(source, 'source')}"


def recording(recording_id: str) -> str:
    """Facts of a recording."""
    return f"tape.recording.{token(recording_id, 'recording')}"


def recording_progress(recording_id: str) -> str:
    """How far an open recording is: beside its facts, so that a fold of these reads none of it."""
    return f"tape.recording.{token(recording_id, 'recording')}.progress"


def session_root(session_id: str, *, research: bool = False) -> str:
    """What all subjects of a session begin with."""
    return f"tape.{'research' if research else 'session'}.{token(session_id, 'session_id')}"


def session_fact(session_id: str, *, research: bool = False) -> str:
    """Life-cycle facts of a session, and answers to its commands."""
    return f"{session_root(session_id, research=research)}.fact"


def session_decision(session_id: str, *, research: bool = False) -> str:
    """Decision messages of a session."""
    return f"{session_root(session_id, research=research)}.decision"


def session_fence(session_id: str, *, research: bool = False) -> str:
    """The filter that fences all subjects of a session."""
    return f"{session_root(session_id, research=research)}.>"


def commands(aggregate: str) -> str:
    """Commands to an aggregate."""
    return f"tape.command.{token(aggregate, 'aggregate')}"


def job(job_id: str) -> str:
    """Facts of a job."""
    return f"tape.job.{token(job_id, 'job')}"


def session_commands(session_id: str) -> str:
    """Commands to one session."""
    return f"tape.command.session.{token(session_id, 'session_id')}"


def session_of(subject: str) -> str | None:
    """The session or research id in a subject; None where it has none."""
    parts = subject.split(".")
    if len(parts) == 4 and parts[1] in ("session", "research"):
        return parts[2]
    return parts[3] if len(parts) == 4 and parts[:3] == ["tape", "command", "session"] else None


def matches(pattern: str, subject: str) -> bool:
    """NATS matching: `*` is one token, a closing `>` one or more."""
    wanted, got = pattern.split("."), subject.split(".")
    for at, part in enumerate(wanted):
        if part == ">":
            return len(got) > at
        if at >= len(got) or part not in ("*", got[at]):
            return False
    return len(wanted) == len(got)
