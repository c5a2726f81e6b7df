"""`as_of`: a sequence, or an instant that stands for one.

An instant means the last sequence whose append time, as a running maximum, is not later. A read model knows it
exactly for the events it applied; `on_tape` finds it among all events of the tape.
"""

from __future__ import annotations

import re
from typing import NewType

from events.clock import from_iso
from events.errors import InvalidInput
from events.tape import Tape

AsOf = int | str | None  # a sequence, an ISO 8601 instant, or as new as there is
Instant = NewType("Instant", int)  # ns UTC

SEQUENCE_MAX = 2**62
_DIGITS = re.compile(r"\d{1,18}\Z", re.ASCII)


def parse(as_of: AsOf) -> tuple[int | None, Instant | None]:
    """(sequence, None), (None, instant) or (None, None); digits are a sequence.

    Raises:
        InvalidInput: neither.
    """
    if as_of is None:
        return None, None
    if isinstance(as_of, str) and _DIGITS.match(as_of):
        as_of = int(as_of)
    if isinstance(as_of, int) and not isinstance(as_of, bool):
        if not 0 <= as_of <= SEQUENCE_MAX:
            raise InvalidInput(f"as_of is {as_of}; a sequence is 0 or more.", field="as_of")
        return as_of, None
    try:
        return None, Instant(from_iso(str(as_of)))
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"as_of is {str(as_of)[:60]!r}; it must be a sequence or an ISO 8601 instant.", field="as_of"
        ) from None


async def on_tape(tape: Tape, instant: Instant, applied: int, later: int | None) -> int:
    """The last sequence of the tape whose append time is not later than an instant.

    `applied` is known not to be later and `later`, where given, is known to be. Between the two the tape's own times
    are taken to ascend; it asks for about log2 of the distance messages.
    """
    low = applied
    high = (await tape.info()).last + 1 if later is None else later
    while high - low > 1:
        middle = (low + high) // 2
        message = await tape.get(middle)
        if message is not None and message.appended_ns > instant:
            high = middle
        else:
            low = middle
    return low
