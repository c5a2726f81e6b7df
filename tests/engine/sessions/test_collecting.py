"""A collect session is a recording of its own, also where several processes ran it one after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.feeds.hashing import content_hash
from engine.recordings import shelf
from engine.recordings.reading import RecordingReader, Window
from engine.sessions import history as histories
from engine.sessions.plan import SessionWish
from engine.sessions.runner import RunnerSettings
from engine.sources.introducing import introduce
from engine.sources.source import Source
from events.facts import StopSession
from tests.engine.sessions.memory_house import MemoryHouse, until

SIMULATED = Source(id="sim", kind="simulated", symbols=("BTC_USDT", "ETH_USDT"), acceleration=100.0)
OFTEN = RunnerSettings(progress_seconds=0.05)


async def test_a_taken_over_collection_is_one_recording_of_all_its_rows(tmp_path: Path) -> None:
    """What the first process had read is in it as well; the source's own recordings ended with each process."""
    house = MemoryHouse(tmp_path, {"sim": SIMULATED})
    await house.start()
    await introduce(house.tape, house.clock, house.known.values())
    async with house.host("one", OFTEN):
        spec = await house.start_session(SessionWish(mode="collect", symbols=("BTC_USDT",)))

        async def told() -> bool:
            found = (await histories.read(house.tape, spec.session)).told
            return found is not None and found.inputs > 100

        await until(told)
    before = await histories.read(house.tape, spec.session)
    async with house.host("two", OFTEN):

        async def more() -> bool:
            found = (await histories.read(house.tape, spec.session)).told
            return found is not None and before.told is not None and found.inputs > before.told.inputs + 100

        await until(more)
        await house.send(StopSession(key="stop", user="ann", session=spec.session))
        await house.ended(spec.session)
    recorded = (await shelf.load(house.tape)).recordings
    whole = recorded[spec.session].whole()
    [number] = recorded[spec.session].opened.instruments
    window = Window("sim", whole.first, whole.last)
    rows = np.concatenate([one.rows async for one in RecordingReader(house.tape).read(window)])
    mine = rows[rows["instrument"] == number]
    assert (whole.rows, whole.content_hash) == (len(mine), content_hash([mine]))
    runs = [one.whole() for one in recorded.values() if one.opened.origin == "simulated"]
    assert len(runs) == 2
    assert runs[0].first.sequence <= whole.first.sequence < runs[1].first.sequence < whole.last.sequence
