"""Small steps over streams of messages that both tapes take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import TypeVar

from events import guards
from events.errors import InvalidInput
from events.subjects import matches
from events.tape import Append, Limits, Message

T = TypeVar("T")


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


async def bulk(messages: Iterable[Append] | AsyncIterator[Append], limits: Limits) -> AsyncIterator[Append]:
    """The messages of a bulk append, checked.

    Raises:
        InvalidInput: several subjects, a fence on another message than the first, or one over other subjects.
        TooLarge: see `guards.check`.
    """
    subject: str | None = None
    async for message in in_order(messages):
        guards.check(message, limits)
        if message.subject != (subject or message.subject):
            raise InvalidInput(f"A bulk append is of one subject, not of {subject} and {message.subject}.")
        if message.fence not in (None, message.subject) or (subject and message.expected is not None):
            raise InvalidInput("Only the first message of a bulk append has a fence, on its own subject.")
        subject = message.subject
        yield message


async def first(messages: AsyncIterator[Message], count: int) -> list[Message]:
    """Up to `count` messages."""
    found: list[Message] = []
    async for message in messages:
        found.append(message)
        if len(found) >= count:
            break
    return found


async def paused(items: AsyncIterator[T], seconds: float) -> AsyncGenerator[T | None]:
    """The items, and None whenever none came for so long."""
    coming = asyncio.ensure_future(anext(items))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=seconds)
            if not done:
                yield None
                continue
            try:
                item = coming.result()
            except StopAsyncIteration:
                return
            yield item
            coming = asyncio.ensure_future(anext(items))
    finally:
        coming.cancel()
        await asyncio.wait({coming})
