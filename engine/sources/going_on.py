"""Where a simulated source goes on: its market is a function of its recipe, and the tape says how much was given.

A restart, or another engine that takes over, continues the same market behind the last row on the tape; only its
moments are put on, by the time in which nobody ran it.
"""

from __future__ import annotations

import msgspec
import numpy as np

from engine.feeds.simulated import SimulatedMarket
from engine.recordings import shelf
from engine.recordings.reading import rows_of_message
from engine.recordings.shelf import Recording
from events import subjects
from events.facts import Place
from events.tape import Tape

MS = 1_000_000
BACK_FIRST, BACK_FACTOR = 64, 8  # messages of the tape before the last in which rows of its moment are looked for


async def gone_on(tape: Tape, source: str, market: SimulatedMarket, now_ns: int) -> SimulatedMarket:
    """The market of a source that starts now behind what the tape holds of it; `market` itself where that is nothing.

    One that was given to its end, or of which another recipe was given last, begins anew.
    """
    known = await shelf.load(tape)
    of_source = [one for one in known.recordings.values() if one.opened.source == source]
    given = [one for one in of_source if one.completed is not None and one.opened.origin != "collect"]
    if not given:
        return market
    before = _recipe(given[-1].opened.mapping)
    if before is None or _anew(before) != _anew(market):
        return market
    end_ns = given[-1].whole().last_event_ns
    after_ns = end_ns - before.start_ns
    cut_short = after_ns >= before.last_block_ns and before.duration_s % before.block_s  # its last block, other rows
    if cut_short or not 0 <= after_ns < market.last_block_ns:
        return market
    start_ns = -(-(max(now_ns, end_ns) - after_ns) // MS) * MS
    rows = await _rows_at_the_end(tape, given[-1])
    if after_ns == before.after_ns:
        rows += before.after_rows  # the run before went on within this very moment
    return msgspec.structs.replace(market, start_ns=start_ns, after_ns=after_ns, after_rows=rows)


def _recipe(mapping: str) -> SimulatedMarket | None:
    try:
        return msgspec.json.decode(mapping, type=SimulatedMarket)
    except msgspec.MsgspecError:
        return None


def _anew(market: SimulatedMarket) -> SimulatedMarket:
    """What makes two markets the same: how long one lasts changes no row of its whole blocks."""
    return msgspec.structs.replace(market, start_ns=0, duration_s=1, after_ns=0, after_rows=0)


async def _rows_at_the_end(tape: Tape, recording: Recording) -> int:
    """How many rows of a recording are of its last moment; looked for from its end, ever further back."""
    wanted, last, back = (subjects.market(recording.opened.source),), recording.whole().last, 0
    while True:
        first = max(recording.opened_at, last.sequence - back)
        times = []
        async for message in tape.read(first, subjects=wanted, end=last.sequence):
            times += [one.rows["ts_event_ns"].copy() for one in rows_of_message(message, Place())]
        whole = np.concatenate(times)
        same = int(np.count_nonzero(whole == whole[-1]))
        if same < len(whole) or first == recording.opened_at:
            return same
        back = back * BACK_FACTOR or BACK_FIRST
