"""Small steps over streams of messages that both tapes take."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from events.subjects import matches
from events.tape import Append, Message


def wanted(subject: str, subjects: tuple[str, ...]) -> bool:
    """Whether one of the filters matches, or there is no filter."""
    return not subjects or any(matches(pattern, subject) for pattern in subjects)


async def in_order(messages: Iterable[Append] | AsyncIterator[Append]) -> AsyncIterator[Append]:
    """The messages of either kind of iterable."""
    if isinstance(messages, AsyncIterator):
        async for message in messages:
            yield message
        return
    for message in messages:
        yield message


async def first(messages: AsyncIterator[Message], count: int) -> list[Message]:
    """Up to `count` messages."""
    found: list[Message] = []
    async for message in messages:
        found.append(message)
        if len(found) >= count:
            break
    return found
