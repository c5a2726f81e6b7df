"""Whether the bars that strategies of a session decide on can be made of what it reads."""

from __future__ import annotations

from engine.loop.lengths import too_coarse
from engine.recordings.reading import rows_of_message
from engine.sessions.lanes import lanes_of
from events import subjects
from events.facts import Place, SessionSpec
from events.facts.timeframes import TIMEFRAME_NS
from events.rows import SectionKind
from events.tape import Tape


async def check_timeframes(tape: Tape, spec: SessionSpec, field: str = "") -> None:
    """Look at the first bars of what a session reads. What a tail brings is not known before: the loop refuses it then.

    `field`: where the timeframe was named, if not in the list of strategies.

    Raises:
        InvalidInput: they are longer than a timeframe, or no whole part of it.
    """
    first = spec.input.first
    if first is None or not any(one.timeframe for one in spec.strategies):
        return
    page = await tape.page(first.sequence, subjects=(subjects.market(spec.input.source),), limit=1)
    for message in page.messages:
        for part in rows_of_message(message, Place()):
            if part.kind is SectionKind.BAR:
                lengths = dict(zip(part.rows["instrument"].tolist(), part.rows["interval_ns"].tolist(), strict=True))
                _check(spec, lengths, field)


def _check(spec: SessionSpec, lengths: dict[int, int], field: str) -> None:
    for lane in lanes_of(spec):
        own, wanted = lengths.get(lane.instrument.number, 0), TIMEFRAME_NS[lane.strategy.timeframe]
        if own and wanted % own:
            raise too_coarse(own, wanted, field or f"strategies[{spec.strategies.index(lane.strategy)}].timeframe")
