"""Whether the bars that strategies of a session decide on can be made of what it reads."""

from __future__ import annotations

from engine.loop.lengths import too_coarse
from engine.recordings.reading import RowsInput, rows_of_message
from engine.sessions.lanes import lanes_of
from events import subjects
from events.facts import Place, SessionSpec
from events.facts.timeframes import TIMEFRAME_NS
from events.rows import SectionKind
from events.tape import Tape


async def check_timeframes(tape: Tape, spec: SessionSpec, field: str = "") -> None:
    """Look at the first bars of what a session reads, of a tail at the newest. The loop refuses what comes later.

    `field`: where the timeframe was named, if not in the list of strategies.

    Raises:
        InvalidInput: they are longer than a timeframe, or no whole part of it.
    """
    if not any(one.timeframe for one in spec.strategies):
        return
    for part in await _parts(tape, subjects.market(spec.input.source), spec.input.first):
        if part.kind is SectionKind.BAR:
            lengths = dict(zip(part.rows["instrument"].tolist(), part.rows["interval_ns"].tolist(), strict=True))
            _check(spec, lengths, field)


async def _parts(tape: Tape, subject: str, first: Place | None) -> list[RowsInput]:
    if first is None:
        message = await tape.last(subject)
    else:
        message = next(iter((await tape.page(first.sequence, subjects=(subject,), limit=1)).messages), None)
    return rows_of_message(message, Place()) if message else []


def _check(spec: SessionSpec, lengths: dict[int, int], field: str) -> None:
    for lane in lanes_of(spec):
        own, wanted = lengths.get(lane.instrument.number, 0), TIMEFRAME_NS[lane.strategy.timeframe]
        if own and wanted % own:
            raise too_coarse(own, wanted, field or f"strategies[{spec.strategies.index(lane.strategy)}].timeframe")
