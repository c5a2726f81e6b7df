"""What all worlds have in common."""

from __future__ import annotations

import pytest

from engine import memory


@pytest.fixture(autouse=True)
def often_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of a world remember what they folded every few messages, so that most starts begin with a memory."""
    monkeypatch.setattr(memory, "MESSAGES_MIN", 25)
