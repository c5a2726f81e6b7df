"""A kernel that has to be compiled first holds up its own session, and nothing else in the process."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.sessions.decider import Decider
from engine.sessions.plan import SessionWish, StrategyWish
from events.clock import NS_PER_SECOND, SystemClock
from events.facts import SessionSpec
from tests.engine.sessions.memory_house import QUICK, MemoryHouse, walk

ALIVE_SECONDS = 0.02
BEATS, COMPILES_SECONDS_MAX = 3, 20


class SlowHouse(MemoryHouse):
    """A house whose kernels take as long to compile as its engine takes to show a few signs of life."""

    beats = 0

    def decider(self, spec: SessionSpec) -> Decider:
        """A fresh decider; busy all the time, as a compiler is."""
        clock, before = SystemClock(), self.shown()
        deadline_ns = clock.monotonic_ns() + COMPILES_SECONDS_MAX * NS_PER_SECOND
        while self.beats < BEATS and clock.monotonic_ns() < deadline_ns:
            self.beats = self.shown() - before
        return super().decider(spec)

    def shown(self) -> int:
        """How often something was written to the keys."""
        return self.keys._revision


async def test_signs_of_life_go_on_while_a_kernel_compiles(tmp_path: Path) -> None:
    """While a session's strategy is compiled, its engine goes on showing that it lives; then the session runs."""
    house = SlowHouse(tmp_path)
    await house.start()
    recording = (await house.record(walk(500))).recording
    wish = SessionWish(mode="paper", recording=recording.id, strategies=(StrategyWish(strategy="ema_cross"),))
    async with house.host(limits=msgspec.structs.replace(QUICK, alive_seconds=ALIVE_SECONDS)):
        spec = await house.start_session(wish)
        history = await house.ended(spec.session)
    assert history.ended is not None, history.failed
    assert house.beats >= BEATS
