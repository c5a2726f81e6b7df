"""Which bars a recording holds."""

from __future__ import annotations

from engine.recordings.reading import rows_of_message
from engine.recordings.shelf import Recording
from events import subjects
from events.facts import Place
from events.rows import SectionKind
from events.tape import Tape


async def interval_of(tape: Tape, recording: Recording) -> int:
    """Length of a recording's bars, ns, as its first one has it; 0 where it begins with other rows.

    Raises:
        Conflict: the recording is not complete.
    """
    first = recording.whole().first
    page = await tape.page(first.sequence, subjects=(subjects.market(recording.opened.source),), limit=1)
    inputs = [one for message in page.messages for one in rows_of_message(message, Place())]
    return int(inputs[0].rows["interval_ns"][0]) if inputs and inputs[0].kind is SectionKind.BAR else 0
