"""A signal in the words of contracts 003 and 004, the same on their routes and on the sockets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from api.reading.wording import instant
from projections.read_models.signals import SignalRow, Typical, score_of

SIDES = {"buy": "buy", "sell": "sell"}


class Signal(msgspec.Struct, frozen=True, omit_defaults=True):
    """One signal."""

    id: str
    symbol: str
    time: str | None
    score: Annotated[
        float, Meta(description="-1 to 1: the side, times s / (1 + s) of the strength over its strategy's typical one")
    ]
    side: Literal["buy", "sell", "neutral"]
    pattern: Annotated[str, Meta(description="the strategy")]
    meta: dict[str, Any]


def signal_of(row: SignalRow, typical: Typical) -> Signal:
    """The words of a signal."""
    return Signal(
        id=f"{row.session}-{row.ordinal}",
        symbol=row.symbol,
        time=instant(row.ts_event_ns),
        score=score_of(row, typical),
        side=SIDES.get(row.side, "neutral"),  # type: ignore[arg-type]
        pattern=row.strategy,
        meta={
            "session": row.session,
            "kind": row.kind,
            "code": row.code,
            "price": row.price,
            "strength": row.strength,
            "sequence": row.sequence,
            "input": row.input,
        },
    )
