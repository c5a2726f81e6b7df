"""What is checked before a message leaves: subject tokens, headers, sizes. Both tapes refuse the same things."""

from __future__ import annotations

import re

from events.errors import InvalidInput, TooLarge
from events.tape import MESSAGE_ID, Append, Limits

ROOTS = ("tape", "vault")
_SUBJECT = re.compile(r"(?:tape|vault)(?:\.[A-Za-z0-9_-]{1,64}){1,8}\Z")
_FILTER = re.compile(r"(?:tape|vault)(?:\.(?:[A-Za-z0-9_-]{1,64}|\*)){0,8}(?:\.>)?\Z")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
_MESSAGE_ID = re.compile(r"[!-~]{1,256}\Z")
_KEYS_KEY = re.compile(r"[A-Za-z0-9_=-]+(?:\.[A-Za-z0-9_=-]+)*\Z")
_NAME = re.compile(r"[A-Za-z0-9_./=-]+\Z")
NAME_MAX = 128
_RESERVED = "nats-"
_HEADER_LINE = len(b"NATS/1.0\r\n\r\n")
# what the log adds to a fenced message of a batch: expected sequence, its filter, batch id, sequence and commit
_ADDED_BYTES = 512


def check(message: Append, limits: Limits) -> None:
    """Refuse what the log would store wrongly, cut, or close the connection for.

    Raises:
        InvalidInput: subject, fence, header or message id.
        TooLarge: body or headers over the limits.
    """
    check_subject(message.subject)
    if message.fence is not None:
        check_filter(message.fence)
    if message.expected is not None and message.expected < 0:
        raise InvalidInput(f"expected is {message.expected}; a sequence is 0 or more.", field="expected")
    if not _MESSAGE_ID.match(message.message_id):
        raise InvalidInput(
            f"message_id is {message.message_id[:80]!r}; it must be 1 to 256 visible ASCII characters.",
            field="message_id",
        )
    for key, value in message.headers.items():
        _check_header(key, value)
    if len(message.body) > limits.body_bytes_max:
        raise TooLarge(
            f"The body for {message.subject} has {len(message.body)} bytes; body_bytes_max is {limits.body_bytes_max}.",
            field="body",
        )
    if (size := headers_bytes(message)) > limits.headers_bytes_max:
        raise TooLarge(
            f"The headers for {message.subject} have {size} bytes; headers_bytes_max is {limits.headers_bytes_max}.",
            field="headers",
        )


def check_subject(subject: str) -> None:
    """Refuse a subject that is not one of ours: a wildcard would be stored as it stands."""
    if not _SUBJECT.match(subject):
        raise InvalidInput(
            f"subject is {subject[:120]!r}; it must be tape or vault and 1 to 8 tokens of A-Z a-z 0-9 _ -, with dots.",
            field="subject",
        )


def check_filter(subject: str) -> None:
    """Refuse what is not a subject with `*` for a token and `>` at its end."""
    if not _FILTER.match(subject):
        raise InvalidInput(
            f"filter is {subject[:120]!r}; it must be tape or vault and tokens of A-Z a-z 0-9 _ -, `*`, a last `>`.",
            field="subject",
        )


def headers_bytes(message: Append) -> int:
    """Upper bound of the bytes that the headers take on the wire, the log's own included."""
    own = sum(len(key.encode()) + len(value.encode()) + 4 for key, value in message.headers.items())
    return own + len(MESSAGE_ID) + len(message.message_id) + 4 + _HEADER_LINE + _ADDED_BYTES


def _check_header(key: str, value: str) -> None:
    if not _KEY.match(key) or key.lower().startswith(_RESERVED):
        raise InvalidInput(
            f"header {key[:80]!r} is not a name of letters, digits and -, or is the log's own.", field=key
        )
    if not value.isprintable() or value != value.strip() or not value:
        raise InvalidInput(
            f"header {key} is {value[:80]!r}; it must be printable, not empty and without space around it.", field=key
        )


def check_key(key: str) -> None:
    """Refuse a key of `Keys` that is not 1 to 128 characters of A-Z a-z 0-9 _ - . =, or has an empty part."""
    if not _KEYS_KEY.match(key) or len(key) > NAME_MAX:
        raise InvalidInput(
            f"key is {key[:80]!r}; it must be 1 to {NAME_MAX} of A-Z a-z 0-9 _ - = with dots.", field="key"
        )


def check_name(name: str) -> None:
    """Refuse a name of a blob that is not 1 to 128 characters of A-Z a-z 0-9 _ - . / =."""
    if not _NAME.match(name) or len(name) > NAME_MAX:
        raise InvalidInput(f"name is {name[:80]!r}; it must be 1 to {NAME_MAX} of A-Z a-z 0-9 _ - . / =.", field="name")
