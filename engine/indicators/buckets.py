"""A sum over the last `CLOSED_BUCKETS` closed time buckets, the ground of the windows in time.

Blocks of buckets as in `sma`: a closed bucket enters in O(1) amortised, nothing is subtracted.
"""

from __future__ import annotations

import numpy as np

from engine.compiled import compiled
from engine.indicators.limits import CLOSED_BUCKETS

BUCKETS_DTYPE = np.dtype(
    [
        ("place", "<i8"),  # buckets in the current block
        ("head", "<f8"),  # sum of the current block
        ("open", "<f8"),  # the bucket that time is in
        ("cells", "<f8", (CLOSED_BUCKETS,)),  # [:place] buckets of this block, [place:] suffix sums of the block before
    ]
)


@compiled
def buckets_close(state: np.void) -> None:
    """Close the open bucket and open an empty one; the oldest closed bucket leaves."""
    cells = state["cells"]
    place = state["place"]
    cells[place] = state["open"]
    state["head"] += state["open"]
    state["open"] = 0.0
    place += 1
    if place == CLOSED_BUCKETS:
        # All of the full block stays in the window until the next bucket closes, so cell 0 holds the sum of the block.
        for index in range(CLOSED_BUCKETS - 2, -1, -1):
            cells[index] += cells[index + 1]
        state["head"] = 0.0
        place = 0
    state["place"] = place


@compiled
def buckets_sum(state: np.void) -> float:
    """Sum of the open bucket and the closed ones."""
    return state["cells"][state["place"]] + state["head"] + state["open"]
