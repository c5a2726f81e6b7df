"""The file of the configuration: what changes on disk becomes a change, and what users changed since stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.house import House
from api.places import Places
from api.processes.configuration_file import USER, ConfigurationFile
from api.settings import ConfigurationSettings
from events.errors import InvalidInput
from tests.api.worlds import World, world


class Watched:
    """A copy of a house whose settings name a file."""

    def __init__(self, house: House, file: Path) -> None:
        self._house = house
        self.settings = msgspec.structs.replace(house.settings, configuration=ConfigurationSettings(file=str(file)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._house, name)


def watching(made: World, file: Path) -> ConfigurationFile:
    """A look at a file, as a process that starts has it."""
    return ConfigurationFile(Watched(made.house, file))  # type: ignore[arg-type]


async def test_what_changes_on_disk_is_changed(tmp_path: Path) -> None:
    """Keys that changed become a change of one command; others stay as users left them, also over a new start."""
    file = tmp_path / "values.yaml"
    Places(tmp_path).make()
    async with world(tmp_path, engine=True) as made:
        await made.client.put("/api/v1/config", json={"risk": {"maxDailyLoss": 0.2}})
        look = watching(made, file)
        assert await look.look() == {}
        file.write_text("risk:\n  maxDailyLoss: 0.3\n  maxPositionSize: 0.04\n")
        assert await look.look() == {"risk.maxPositionSize": 0.04}, "what a user changed before stands"
        assert await look.look() == {}
        row = (await made.get("/api/config/history?order=newest&limit=1")).json()["rows"][0]
        assert (row["key"], row["user"], row["origin"]) == ("risk.maxPositionSize", USER, "file")
        await made.client.put("/api/v1/config", json={"risk": {"maxPositionSize": 0.05}})
        assert await watching(made, file).look() == {}, "a new start tells nothing twice"
        file.write_text("risk:\n  maxDailyLoss: 0.4\n  maxPositionSize: 0.04\nppo: {gamma: 0.9}\n")
        assert await look.look() == {"risk.maxDailyLoss": 0.4, "ppo.gamma": 0.9}
        risk = (await made.get("/api/config/risk")).json()
        assert (risk["maxDailyLoss"], risk["maxPositionSize"]) == (0.4, 0.05)
        held = file.read_bytes()
        for wrong in ("ppo: {gamma: 7}\nrisk: {maxDailyLoss: 0.1}\n", "a: [", "risk: 3\n", f"? 0x{'f' * 6_000}\n: 1\n"):
            file.write_text(wrong)
            last = await made.last()
            with pytest.raises(InvalidInput):
                await look.look()
            assert await look.look() == {}, "said once"
            assert await made.last() == last
        file.write_bytes(held)
        assert await look.look() == {}
        assert file.read_bytes() == held


async def test_the_environment_stands_above_every_change(tmp_path: Path) -> None:
    """A value of the environment is read by all, named as such, and a change below it is kept for later."""
    async with world(tmp_path, engine=True, overrides={"backtest.leverage": 20.0}) as made:
        answer = await made.get("/api/v1/config")
        assert answer.json()["data"]["backtest"]["leverage"] == 20.0
        assert answer.headers["Config-Overridden"] == "backtest.leverage"
        await made.client.put("/api/v1/config", json={"backtest": {"leverage": 30}})
        whole = (await made.get("/api/config")).json()
        assert (whole["backtest"]["leverage"], whole["overridden"]) == (20.0, ["backtest.leverage"])
        assert "leverage: 30.0" in (await made.post("/api/config/export", {})).json()["content"]
