"""Runs that break: an error that is no fact of a session yet. A second one at the same inputs fails the session.

Once may be the process (a thread that could not start, a file table that was full); twice at one place is a bug, and
a claim every few seconds would not mend it.
"""

from __future__ import annotations

from events.errors import OperatingError

SAME_INPUTS = 524_288  # of one step at most: two runs may cut their steps at different rows


class RunBroke(Exception):
    """A run ended by an error that nobody named; `inputs` is how many were read before its step."""

    def __init__(self, inputs: int, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.inputs = inputs


class BrokenRuns:
    """What broke in this process, by session."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self._reasons: dict[str, str] = {}

    def note(self, session: str, error: BaseException | None) -> None:
        """A run of a session is over; operating errors are not its own and say nothing."""
        if error is None:
            self.forget(session)
        elif not isinstance(error, OperatingError):
            inputs = error.inputs if isinstance(error, RunBroke) else 0
            before = self._first.get(session)
            if before is not None and abs(inputs - before) <= SAME_INPUTS:
                self._reasons[session] = f"Two runs broke behind input {min(inputs, before)}: {error}"
            self._first[session] = inputs

    def reason(self, session: str) -> str | None:
        """Why the session is not run again; None where it may be."""
        return self._reasons.get(session)

    def forget(self, session: str) -> None:
        """It ran, or is over."""
        self._first.pop(session, None)
        self._reasons.pop(session, None)
