"""The whole error tree. It knows no HTTP and no exit codes: `api` turns a class into both, in one table.

Three kinds of no: a *denial* is an event, not an error; an *operating error* is expected and bounded in retries;
a *failed assertion* is our bug and stops what it concerns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self


class TapedeckError(Exception):
    """Says what is wrong, where, and what to do.

    `code` is a stable upper-case word, `field` the dotted name of the input at fault, `hint` what to do.
    """

    code = "ERROR"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.field = field
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def at(self, field: str | None) -> Self:
        """The same error about another input: bodies name one thing differently, and some do not name it at all."""
        return type(self)(self.message, code=self.code, field=field, hint=self.hint)


# --- what the asker did wrong -------------------------------------------------------------------------------------


class InvalidInput(TapedeckError):
    """A value is of the wrong type, unknown, missing, out of bounds or contradicts another.

    `fields` says what is wrong with each of several inputs, by dotted name.
    """

    code = "INVALID_INPUT"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        hint: str = "",
        fields: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(message, code=code, field=field or next(iter(fields or ()), None), hint=hint)
        self.fields = {name: list(texts) for name, texts in (fields or {}).items()}

    def within(self, place: str) -> InvalidInput:
        """The same error about an input whose fields stand at a place of another one."""
        if not self.fields:
            return self.at(place)
        fields = {f"{place}.{name}": texts for name, texts in self.fields.items()}
        return InvalidInput(self.message, code=self.code, hint=self.hint, fields=fields)


class Unknown(TapedeckError):
    """No such session, instrument, recording, strategy or user."""

    code = "NOT_FOUND"


class Conflict(TapedeckError):
    """The thing exists already, or is not in a state that allows this."""

    code = "CONFLICT"


class Unauthenticated(TapedeckError):
    """No token, or one that is expired, forged or withdrawn."""

    code = "UNAUTHENTICATED"


class Forbidden(TapedeckError):
    """A good token without the right."""

    code = "FORBIDDEN"


class LimitReached(TapedeckError):
    """A named limit of the settings was reached."""

    code = "LIMIT_REACHED"


class TooLarge(LimitReached):
    """A body, frame or page over its named limit."""

    code = "TOO_LARGE"


class UnsupportedMedia(TapedeckError):
    """A body of a kind that is not read here."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class TooMany(LimitReached):
    """A rate limit; `retry_after_s` says when to come back."""

    code = "RATE_LIMITED"

    def __init__(self, message: str, *, retry_after_s: float, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.retry_after_s = retry_after_s


class NotAvailable(TapedeckError):
    """Understood, and not part of this installation (a venue that is not configured)."""

    code = "NOT_AVAILABLE"


# --- operating errors ---------------------------------------------------------------------------------------------


class OperatingError(TapedeckError):
    """Something we depend on does not answer as it should. Bounded in retries."""

    code = "OPERATING_ERROR"


class TapeUnavailable(OperatingError):
    """The log does not answer within its bound. Nothing is said about what was in flight."""

    code = "TAPE_UNAVAILABLE"


class OutcomeUnknown(OperatingError):
    """An append was sent and neither confirmed nor found: repeat with the same key."""

    code = "OUTCOME_UNKNOWN"


class ReadModelUnavailable(OperatingError):
    """A read model does not answer, or has not caught up within the bound."""

    code = "READ_MODEL_UNAVAILABLE"


class VenueUnavailable(OperatingError):
    """A venue does not answer within its bound."""

    code = "VENUE_UNAVAILABLE"


class ProcessFailed(OperatingError):
    """A child process did not start or ended by itself; the message carries the tail of its log."""

    code = "PROCESS_FAILED"


class FenceLost(OperatingError):
    """Another writer appended behind the sequence this one expected: this one is stale and stops."""

    code = "FENCE_LOST"

    def __init__(self, message: str, *, expected: int, actual: int | None) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


# --- the tape is not the tape we know --------------------------------------------------------------------------


class TapeRefused(TapedeckError):
    """The tape is damaged, shorter than it was, or another one. Nothing is appended to it."""

    code = "TAPE_REFUSED"

    def __init__(self, message: str, *, sequence: int = 0, hint: str = "", code: str | None = None) -> None:
        super().__init__(message, hint=hint, code=code)
        self.sequence = sequence


class TapeMissing(TapeRefused):
    """There is no stream. A start never creates one."""

    code = "TAPE_MISSING"


class TapeDamaged(TapeRefused):
    """Re-reading the tape gives another hash than the seal holds."""

    code = "TAPE_DAMAGED"


class TapeShorter(TapeRefused):
    """The tape ends before the last sealed or projected sequence."""

    code = "TAPE_SHORTER"


class TapeForeign(TapeRefused):
    """The tape has another epoch than the one this data belongs to."""

    code = "TAPE_FOREIGN"


class Undecodable(TapedeckError):
    """A message on the tape that this version cannot read; `sequence` says which."""

    code = "UNDECODABLE"

    def __init__(self, message: str, *, sequence: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sequence = sequence


# --- our own bugs -------------------------------------------------------------------------------------------------


class Bug(TapedeckError):
    """A failed assertion: what it concerns stops, nothing is patched over."""

    code = "BUG"
