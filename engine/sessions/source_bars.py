"""Whether the bars that strategies of a session decide on can be made of what it reads."""

from __future__ import annotations

import numpy as np

from engine.loop.lengths import Lengths
from engine.loop.spec import loop_spec
from engine.recordings.reading import rows_of_message
from events import subjects
from events.facts import Place, SessionSpec
from events.rows import SectionKind
from events.tape import Tape


async def check_timeframes(tape: Tape, spec: SessionSpec) -> None:
    """Look at the first bars of what a session reads. What a tail brings is not known before: the loop refuses it then.

    Raises:
        InvalidInput: they are longer than a timeframe, or no whole part of it.
    """
    first = spec.input.first
    if first is None or not any(one.timeframe for one in spec.strategies):
        return
    lengths = Lengths(loop_spec(spec))
    page = await tape.page(first.sequence, subjects=(subjects.market(spec.input.source),), limit=1)
    for message in page.messages:
        for part in rows_of_message(message, Place()):
            if part.kind is SectionKind.BAR:
                for place, terms in enumerate(spec.instruments):
                    bars = part.rows[part.rows["instrument"] == terms.number]
                    lengths.check(bars, np.full(len(bars), place, np.intp))
