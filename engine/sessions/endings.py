"""How a session ends: the reason its end gives, and whether positions are closed."""

from __future__ import annotations

from typing import Literal

from events.facts import SessionSpec, StopSession

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
