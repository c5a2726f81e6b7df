"""The recorded pumps: whatever way they are traded, the decisions are the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine import catalogue
from engine.feeds.feed import Feed
from engine.feeds.file_feed import FileFeed
from engine.feeds.merge import MergedFeed
from engine.recordings import shelf
from engine.recordings.importing import Importer
from engine.research.verify import verify
from engine.sessions.plan import SessionWish, StrategyWish
from engine.sources.source import Source, forms_of
from events.facts import SessionLimits, StopSession
from tests.engine.sessions.memory_house import MemoryHouse, until

PUMPS = ("AST_2018-09-07_15.30", "BRD_2018-11-13_17.00", "DLT_2018-08-23_16.00", "ICN_2018-09-11_15.30")
PUMPS += ("OAX_2018-08-17_16.00",)
PUMP = (StrategyWish(strategy="pump_v2"),)
LIMITS = SessionLimits(
    cash=1.0, global_cap=1.0, order_notional=0.1, slippage_ratio=0.001, latency_ms=200, stop_loss_ratio=0.05
)


@pytest.mark.parametrize("names", [*((name,) for name in PUMPS), PUMPS], ids=[*PUMPS, "merged"])
async def test_a_recorded_pump_has_one_hash(names: tuple[str, ...], shared_data: Path, tmp_path: Path) -> None:
    """Paper over the re-paced recording, paper on the live tail of a source that plays the files, and backtest."""
    paths = tuple(str(shared_data / "pump_events_ticks" / f"{name}.csv.gz") for name in names)
    source = Source(id="player", kind="files", files=paths, acceleration=0.0)
    forms = await asyncio.to_thread(forms_of, source)
    source = Source(
        id="player", kind="files", files=paths, acceleration=0.0, symbols=tuple(form.symbol for form in forms)
    )
    house = MemoryHouse(tmp_path, {"player": source})
    await house.start()
    await catalogue.register(house.tape, forms)
    feeds = [FileFeed(path) for path in paths]
    feed: Feed = feeds[0] if len(feeds) == 1 else MergedFeed(feeds)
    imported = await Importer(house.tape, house.clock, house.segments).run(feed, "f" * 32, "pumps")
    hashes, sessions = {}, []
    async with house.host():
        for way, wish in {
            "backtest": SessionWish(mode="backtest", recording=imported.recording.id, strategies=PUMP, limits=LIMITS),
            "re-paced": SessionWish(
                mode="paper", recording=imported.recording.id, strategies=PUMP, limits=LIMITS, acceleration=5e6
            ),
            "tail": SessionWish(mode="paper", source="player", strategies=PUMP, limits=LIMITS),
        }.items():
            spec = await house.start_session(wish)
            if way == "tail":
                await until(lambda: played(house))
                await house.send(StopSession(key="stop", user="ann", session=spec.session))
            history = await house.ended(spec.session)
            assert history.ended is not None, history.failed
            assert history.ended.inputs == imported.rows
            assert history.ended.counts["signal"] > 0
            hashes[way] = history.ended.decision_hash
            sessions.append(spec.session)
    assert len(set(hashes.values())) == 1, hashes
    verdict = await verify(house.tape, house.reader, house.decider, sessions[-1])
    assert verdict.equal, verdict.detail


async def played(house: MemoryHouse) -> bool:
    """Whether the player's recording is complete."""
    known = await shelf.load(house.tape)
    return any(one.completed and one.opened.source == "player" for one in known.recordings.values())
