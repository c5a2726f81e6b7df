"""How far the price ran away from its own recent average: `TWAP(fast) / TWAP(slow) - 1`.

Both are time-weighted, so a price counts only once it has held: one odd print moves nothing, a price that stays does
so within the fast window. A fast window of 0 takes the newest price itself (for bars, whose close has not held yet).
"""

from __future__ import annotations

import numpy as np

from engine.compiled import compiled
from engine.indicators.twap import TWAP_DTYPE, twap_ready, twap_update

VELOCITY_DTYPE = np.dtype([("fast", TWAP_DTYPE), ("slow", TWAP_DTYPE)])


@compiled
def velocity_update(state: np.void, ts_ns: int, price: float, fast_ns: int, slow_ns: int) -> float:
    """Take one price; give the velocity, NaN where a window is under 60 ns. fast_ns is 0 or >= 60, slow_ns >= 60."""
    slow = twap_update(state["slow"], ts_ns, price, slow_ns)
    fast = price if fast_ns == 0 else twap_update(state["fast"], ts_ns, price, fast_ns)
    return fast / slow - 1.0 if slow > 0.0 else 0.0


@compiled
def velocity_ready(state: np.void, slow_ns: int) -> bool:
    """Whether the rows seen span the slow window."""
    return twap_ready(state["slow"], slow_ns)
