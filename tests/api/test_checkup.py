"""Health: how far the market store is behind the tape's newest market message, and how far prices are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from api.services import checkup
from api.services.checkup import Checkup
from events.rows import MARKET_DTYPE
from tests.api.recordings import LiveSource
from tests.api.worlds import world


@pytest.mark.asyncio
async def test_market_lag_is_told_against_the_newest_market_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that shows the newest row is not behind; rows it has not taken are told, in append time too."""
    async with world(tmp_path) as made:
        source = LiveSource(made.tape)
        await source.open()
        await made.caught_up()
        found = (await Checkup(made.house).find()).components["market"]
        assert (found.status, found.lag, found.lag_seconds) == ("ok", 0, 0.0)
        await made.house.beside[0].close()
        rows = np.zeros(1, MARKET_DTYPE)
        rows["price"], rows["quantity"], rows["ts_event_ns"] = 100.0, 1.0, made.clock.now_ns()
        await source.give(rows)
        newest = await made.house.reader.newest_market()
        monkeypatch.setattr(checkup, "MARKET_SECONDS_MAX", 0.0)
        behind = (await Checkup(made.house).find()).components["market"]
        assert (behind.status, behind.lag) == ("behind", newest - (behind.sequence or 0))
        assert (behind.lag_seconds or 0) > 0
