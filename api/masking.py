"""What must not stand in a log: tokens anywhere; passwords and keys in query strings and paths."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

QUERY_MAX = 512
PATH_MAX = 256
MASK = "***"

_SECRET = re.compile(r"token|secret|password|passwd|key|credential|auth|jwt", re.IGNORECASE)
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,2}")
_JWT_BYTES = re.compile(_JWT.pattern.encode())


def masked_query(query: bytes) -> str:
    """A query string as it may be logged."""
    if not query:
        return ""
    parts = [_masked(part) for part in query.decode("latin-1").split("&")]
    return masked_text("&".join(parts))[:QUERY_MAX]


def _masked(part: str) -> str:
    name, equals, _ = part.partition("=")
    return f"{name}={MASK}" if equals and _SECRET.search(unquote_plus(name)) else part


def masked_path(path: str) -> str:
    """A path as it may be logged."""
    return masked_text(path)[:PATH_MAX]


def masked_text(text: str) -> str:
    """A text without JWTs and control characters."""
    text = masked_tokens(text)
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)


def masked_tokens(text: str) -> str:
    """A text without JWTs."""
    return _JWT.sub(MASK, text) if "eyJ" in text else text


def masked_line(line: bytes) -> bytes:
    """A line of a log without JWTs."""
    return _JWT_BYTES.sub(MASK.encode(), line) if b"eyJ" in line else line
