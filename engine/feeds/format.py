"""What a file format is: how it is told from others, which options it knows, and how it becomes rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from engine.feeds.containers import SourceFile
from engine.feeds.intake import Batch, Intake, QuantityUnit
from engine.feeds.tables import split
from events.rows import MarketKind

BookKind = Literal["none", "levels", "orders"]


class Sample(msgspec.Struct, frozen=True):
    """What a format is told by: names, the first lines of a text, the columns of a record file."""

    source: SourceFile
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.source.name

    @property
    def inner_name(self) -> str:
        """Name of the zip member, else of the file."""
        return self.source.member or self.source.name

    def line(self, at: int) -> str:
        """The line of an index, or an empty text."""
        return self.lines[at] if at < len(self.lines) else ""

    def header(self, separator: str = ",", at: int = 0) -> tuple[str, ...]:
        """Column names of a record file, or fields of a line of text."""
        if self.source.binary:
            return self.columns
        return tuple(name.strip() for name in split(self.line(at), separator))


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """One file format. `kinds` is empty for bars."""

    name: str
    about: str
    kinds: tuple[MarketKind, ...]
    fits: Callable[[Sample], bool]
    read: Callable[[Intake], Iterator[Batch]]
    options: frozenset[str] = frozenset()  # beside those that every format knows
    designated: Literal["event", "received"] = "event"
    quantity: QuantityUnit = "base"
    book: BookKind = "none"

    @property
    def section(self) -> Literal["market", "bar"]:
        """Which rows it makes."""
        return "market" if self.kinds else "bar"
