"""A connection whose tails can be held back: what a consumer that was lost looks like until it is noticed."""

from __future__ import annotations

import asyncio

import numpy as np

from events.clock import Clock
from events.faults import FaultRates, Faults


class StalledTails(Faults):
    """No faults but this: tails deliver nothing while `hold` is in force."""

    def __init__(self) -> None:
        super().__init__(FaultRates(), np.random.Generator(np.random.Philox(0)))
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        """Deliver nothing from here on."""
        self._open.clear()

    def go_on(self) -> None:
        """Deliver what waited, and what comes."""
        self._open.set()

    async def before_delivery(self, clock: Clock) -> None:
        """See `Faults.before_delivery`."""
        await self._open.wait()
