"""What an error is to whoever asked: an HTTP status, or an exit code. Here without the framework, for verbs."""

from __future__ import annotations

from events import errors

# The first class that fits gives (HTTP status, exit code). Exit codes are documented in docs/cli.md.
STATUS: tuple[tuple[type[BaseException], int, int], ...] = (
    (errors.TooMany, 429, 2),
    (errors.TooLarge, 413, 2),
    (errors.LimitReached, 409, 2),
    (errors.InvalidInput, 400, 2),
    (errors.Unknown, 404, 3),
    (errors.Conflict, 409, 4),
    (errors.Unauthenticated, 401, 5),
    (errors.Forbidden, 403, 5),
    (errors.UnsupportedMedia, 415, 2),
    (errors.NotAvailable, 501, 6),
    (errors.FenceLost, 503, 7),
    (errors.OperatingError, 503, 7),
    (errors.TapeRefused, 503, 8),
    (errors.Undecodable, 503, 8),
    (errors.TapedeckError, 500, 1),
)


def exit_code_of(error: BaseException) -> int:
    """Exit code of the command line for an error."""
    return next((code for kind, _, code in STATUS if isinstance(error, kind)), 1)
