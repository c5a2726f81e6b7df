"""A feed: a bounded stretch of market rows, described first and then iterated in chunks, any number of times.

Feeds hold no tape and no clock. Whoever appends asks `survey()` first: a file that cannot be imported raises there,
before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, Protocol

import msgspec

from engine.catalogue import InstrumentForm
from engine.feeds.report import Report
from events.rows import Rows

CHUNK_ROWS_MAX = 65_536

NumberOf = Callable[[InstrumentForm], int]
"""Number in the catalogue of an instrument of the description. Called once per instrument and iteration."""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed holds.

    `designated` names the time that is in order and that sessions go by. `quantity` is what quantities count;
    `book` says whether book rows are price levels or single orders (`id` is the order's). `rows`, `first_ns` and
    `last_ns` (designated time of the first and the last row) are None where only iterating would tell.
    """

    instruments: tuple[InstrumentForm, ...]
    kinds: tuple[str, ...]  # lower-case names of MarketKind, or `bar`
    section: Literal["market", "bar"] = "market"
    designated: Literal["event", "received"] = "event"
    quantity: Literal["base", "contracts", "ticks", "none"] = "base"
    book: Literal["none", "levels", "orders"] = "none"
    mapping: str = ""  # how the input was read, as JSON
    rows: int | None = None
    first_ns: int | None = None
    last_ns: int | None = None
    reports: tuple[Report, ...] = ()


class Feed(Protocol):
    """A bounded source of rows."""

    def survey(self) -> Description:
        """Everything that is known before the first row is given. Repeated calls cost nothing.

        Raises:
            FeedError: there is nothing that could be given.
        """
        ...

    def chunks(self, number: NumberOf) -> Iterator[Rows]:
        """All rows in order as packed arrays of MARKET_DTYPE or BAR_DTYPE, each of 1 to `CHUNK_ROWS_MAX` rows.

        Every call starts from the first row and gives the same rows. `number` gives the instruments' numbers.
        """
        ...


def in_order(first: int = 1) -> NumberOf:
    """Numbers in the order of asking, beginning with `first`; the same symbol and venue keeps its number."""
    known: dict[tuple[str, str], int] = {}

    def number(form: InstrumentForm) -> int:
        return known.setdefault((form.symbol, form.venue), first + len(known))

    return number


def cut(rows: Rows, rows_max: int) -> Iterator[Rows]:
    """The rows in pieces of at most `rows_max`; views, no copies."""
    for start in range(0, len(rows), rows_max):
        yield rows[start : start + rows_max]
