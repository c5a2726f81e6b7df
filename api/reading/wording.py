"""How rows of read models are worded: the same names, times as ISO text, nothing where there is nothing yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from events.clock import iso

R = TypeVar("R", bound=msgspec.Struct)
B = TypeVar("B", bound=msgspec.Struct)

EVENT_TIME = "ts_event_ns"


def instant(ts_ns: int) -> str | None:
    """ISO 8601 text of ns UTC, without a fraction that is zero; None for 0, which means not yet."""
    return instant_of(ts_ns) if ts_ns else None


def instant_of(ts_ns: int) -> str:
    """ISO 8601 text of ns UTC, without a fraction that is zero."""
    return iso(int(ts_ns)).replace(".000000Z", "Z")


class Wording(Generic[R, B]):
    """From a row of a read model to a row of an answer.

    A field has the value of the same name; `time` is that of `ts_event_ns`, and `exit_time`, say, that of `exit_ns`.
    `others` give the fields that have no such origin.
    """

    def __init__(self, row: type[R], body: type[B], **others: Callable[[R], object]) -> None:
        self.body = body
        self._getters = [_getter(row, name, others) for name in body.__struct_fields__]

    def __call__(self, row: R) -> B:
        return self.body(*[getter(row) for getter in self._getters])


def _getter(
    row: type[msgspec.Struct], name: str, others: dict[str, Callable[[Any], object]]
) -> Callable[[Any], object]:
    fields = row.__struct_fields__
    if name in others:
        return others[name]
    if name in fields:
        return lambda one: getattr(one, name)
    origin = EVENT_TIME if name == "time" else f"{name.removesuffix('_time')}_ns"
    if not name.endswith("time") or origin not in fields:
        raise TypeError(f"{row.__name__} has nothing for the field {name}")
    return lambda one: instant(getattr(one, origin))
