"""What a start replaced: how those sessions ended, and what they held to the last."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import msgspec
from msgspec import Meta

from api.house import House
from api.reading.reader import Moment
from api.services.acting import Done
from events.clock import NS_PER_SECOND
from events.errors import OperatingError, ReadModelUnavailable, Unknown
from projections.duckdb.store import Snapshot
from projections.read_models.answers import PAGE_ROWS_MAX, Page, Scope
from projections.read_models.positions import positions
from projections.read_models.sessions import STATES_OVER, session

REPLACED_MAX = 64  # sessions that are told of one start
OVER_SECONDS_MAX = 1.0  # how long its answer waits for them to be over


class HeldPosition(msgspec.Struct, frozen=True):
    """A position that was not closed: nobody decides on it any more."""

    strategy: str
    symbol: str
    quantity: float
    entry_price: float


class Replaced(msgspec.Struct, frozen=True):
    """A session that a start ended."""

    session_id: str
    state: Annotated[
        str,
        Meta(
            description="one that is not over (`completed`, `stopped`, `failed`) ends yet, and its positions may "
            "change until then; `unknown` while the read model is away"
        ),
    ]
    reason: str
    error_code: str
    error_message: str
    open_positions: list[HeldPosition]


async def replaced_by(house: House, how: Done) -> list[Replaced]:
    """The sessions that a start replaced, once they had some time to end. The start is done: nothing is raised, and
    what is not known now is said to be so.
    """
    names = how.sessions[:REPLACED_MAX]
    told = [Replaced(name, "unknown", "", "", "", []) for name in names]
    until_ns, shown = house.clock.monotonic_ns() + round(OVER_SECONDS_MAX * NS_PER_SECOND), 0
    with suppress(OperatingError, ReadModelUnavailable, Unknown):
        while any(one.state not in STATES_OVER for one in told) and (left := until_ns - house.clock.monotonic_ns()) > 0:
            shown = 1 + await house.runner.wait_until(shown, left / NS_PER_SECOND)
            told = (await house.reader.run(lambda snapshot: _told(snapshot, names), Moment())).value
    return told


def _told(snapshot: Snapshot, names: tuple[str, ...]) -> list[Replaced]:
    found = []
    for name in names:
        row = session(snapshot, name)
        held = positions(snapshot, Scope(session=name), Page(limit=PAGE_ROWS_MAX), open_only=True).rows
        lots = [HeldPosition(one.strategy, one.symbol, one.quantity, one.entry_price) for one in held]
        found.append(Replaced(name, row.state, row.reason, row.error_code, row.error_message, lots))
    return found
