"""Whether the strategies of a session can decide on the bars that it reads."""

from __future__ import annotations

from engine.loop.lengths import too_coarse, words_of
from engine.recordings.reading import RowsInput, rows_of_message
from engine.sessions.lanes import Lane, lanes_of
from engine.sessions.plan import Library, never_signals
from events import subjects
from events.facts import Place, SessionSpec
from events.facts.timeframes import TIMEFRAME_NS
from events.rows import SectionKind
from events.tape import Tape


async def check_bars(tape: Tape, spec: SessionSpec, library: Library, field: str = "") -> None:
    """Look at the first bars of what a session reads, of a tail at the newest. The loop refuses what comes later.

    `field`: where the timeframe, or what decides without one, was named, if not in the list of strategies. The rows of
    a grid may set what the strategies themselves leave at a default: only their timeframe is looked at.

    Raises:
        InvalidInput: they are longer than a timeframe, or no whole part of it; or a strategy that decides on them as
            they come never signals on bars of that length.
    """
    for part in await _parts(tape, subjects.market(spec.input.source), spec.input.first):
        if part.kind is SectionKind.BAR:
            lengths = dict(zip(part.rows["instrument"].tolist(), part.rows["interval_ns"].tolist(), strict=True))
            for lane in lanes_of(spec):
                if own := lengths.get(lane.instrument.number, 0):
                    _check(spec, lane, own, library, field)


async def _parts(tape: Tape, subject: str, first: Place | None) -> list[RowsInput]:
    if first is None:
        message = await tape.last(subject)
    else:
        message = next(iter((await tape.page(first.sequence, subjects=(subject,), limit=1)).messages), None)
    return rows_of_message(message, Place()) if message else []


def _check(spec: SessionSpec, lane: Lane, own: int, library: Library, field: str) -> None:
    named = f"strategies[{spec.strategies.index(lane.strategy)}]"
    if lane.strategy.timeframe:
        wanted = TIMEFRAME_NS[lane.strategy.timeframe]
        if wanted % own:
            raise too_coarse(own, wanted, field or f"{named}.timeframe")
    elif not spec.grid and (why := library.unseen(lane.strategy.strategy, lane.strategy.params, own)):
        raise never_signals(lane.strategy.strategy, words_of(own), why, field or f"{named}.strategy")
