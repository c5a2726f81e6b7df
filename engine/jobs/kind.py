"""What a kind of job is: the shape of its body, what it needs, and the function that does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from engine.jobs.work import Work
from events.errors import InvalidInput

# (body, work) -> its result, a struct that is written as JSON
Do = Callable[[Any, Work], Awaitable[msgspec.Struct]]


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table of kinds. `cores` and `memory_mb` are what such a job usually needs."""

    name: str
    body: type[msgspec.Struct]
    do: Do
    cores: float = 1.0
    memory_mb: int = 512

    def read(self, body: bytes | msgspec.Raw) -> msgspec.Struct:
        """The body of a job. Raises InvalidInput."""
        try:
            return msgspec.json.decode(body, type=self.body)
        except msgspec.MsgspecError as error:
            raise InvalidInput(f"A {self.name} job cannot read its body: {error}.", field="body") from None
