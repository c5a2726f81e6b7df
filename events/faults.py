"""Faults for the seeded simulation: lost answers, refusals and delays, drawn from one given generator."""

from __future__ import annotations

import msgspec
import numpy as np

from events.clock import Clock
from events.retry import NoAnswer, NotSent


class FaultRates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares of calls, and seconds."""

    lost_reply_ratio: float = 0.0  # stored, but the answer does not come
    lost_request_ratio: float = 0.0  # not stored, and no answer
    refused_ratio: float = 0.0  # not stored, and said so
    late_ratio: float = 0.0  # stored only after a delay
    delay_seconds_max: float = 0.0
    tail_delay_ratio: float = 0.0  # deliveries of a tail that come late


class Faults:
    """One draw a call from a counter-based generator: the same seed gives the same faults in the same order."""

    def __init__(self, rates: FaultRates, generator: np.random.Generator) -> None:
        self.rates = rates
        self._generator = generator

    async def before_store(self, clock: Clock) -> bool:
        """Act before an append is stored; True where its answer will be lost.

        Raises:
            NotSent, NoAnswer: it is not stored.
        """
        draw, rates = self._generator.random(), self.rates
        if draw < rates.refused_ratio:
            raise NotSent("refused by a simulated fault")
        draw -= rates.refused_ratio
        if draw < rates.lost_request_ratio:
            raise NoAnswer("request lost by a simulated fault")
        draw -= rates.lost_request_ratio
        if draw < rates.lost_reply_ratio:
            return True
        draw -= rates.lost_reply_ratio
        if draw < rates.late_ratio:
            await self._delay(clock)
        return False

    async def before_read(self) -> None:
        """Act before a read-back. Raises NoAnswer."""
        if self._generator.random() < self.rates.lost_reply_ratio:
            raise NoAnswer("reading back lost by a simulated fault")

    async def before_delivery(self, clock: Clock) -> None:
        """Act before a tail delivers one message."""
        if self.rates.tail_delay_ratio and self._generator.random() < self.rates.tail_delay_ratio:
            await self._delay(clock)

    async def _delay(self, clock: Clock) -> None:
        await clock.sleep(float(self._generator.random()) * self.rates.delay_seconds_max)
