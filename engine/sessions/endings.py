"""How a session ends: the reason its end gives, and whether positions are closed."""

from __future__ import annotations

from typing import Literal

from events.errors import TapedeckError
from events.facts import Place, SessionFailed, SessionSpec, StopSession

REPLACING = "replace-"  # how the key of a stop begins that the desk sends to a session it replaces


def reason_of(stop: StopSession | None) -> Literal["completed", "stopped", "replaced"]:
    """Without a stop its data ended."""
    if stop is None:
        return "completed"
    return "replaced" if stop.key.startswith(REPLACING) else "stopped"


def closes(stop: StopSession | None, spec: SessionSpec) -> bool:
    """As the stop says, else as the session's limits do."""
    if stop is None or stop.close_positions is None:
        return spec.limits.close_on_stop
    return stop.close_positions


def failed(spec: SessionSpec, error: TapedeckError, reached: Place, now_ns: int) -> SessionFailed:
    """What to say of an error that ends a session: at the row it names, else at the last one read."""
    at = getattr(error, "place", None) or reached
    return SessionFailed(session=spec.session, code=error.code, message=str(error)[:2_000], at=at, ended_ns=now_ns)
