"""The decision hash of rows at hand. The definition is `DecisionHash`: per kind a chain over blocks of packed rows."""

from __future__ import annotations

from collections.abc import Mapping

from engine.sessions.decision_hash import DecisionHash
from events.rows import DECISION_KINDS, Rows, SectionKind


def decision_hash(rows: Mapping[SectionKind, Rows]) -> str:
    """64 hexadecimal digits over all rows a session decided, per kind from ordinal 0 on; a kind may be missing."""
    whole = DecisionHash()
    for kind in DECISION_KINDS:
        if kind in rows:
            whole.add(kind, rows[kind])
    return whole.hexdigest()
