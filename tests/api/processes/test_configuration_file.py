"""The file of the configuration: what changes on disk becomes a change, and what users changed since stands."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.house import House
from api.places import Places
from api.processes.configuration_file import USER, ConfigurationFile
from api.services import checkup
from api.settings import ConfigurationSettings
from api.streams import broadcast
from events.errors import InvalidInput
from tests.api.asgi_socket import Socket, connected
from tests.api.worlds import World, world


class Watched:
    """A copy of a house whose settings name a file."""

    def __init__(self, house: House, file: Path) -> None:
        self._house = house
        configuration = ConfigurationSettings(file=str(file), look_seconds=0.1)
        self.settings = msgspec.structs.replace(house.settings, configuration=configuration)

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


async def alerted(socket: Socket, status: str) -> str:
    """What the next alert of the file says, which is of its being so."""
    while (told := await socket.receive(10.0))["type"] != "health_alert" or told["data"]["component"] != "config":
        pass
    assert told["data"]["status"] == status
    details: str = told["data"]["details"]
    return details


async def test_a_refused_file_is_told_until_it_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Health and every socket say that a file was refused and why, without a line of it, and then that it is good."""
    monkeypatch.setattr(broadcast, "STATUS_SECONDS", 0.05)
    monkeypatch.setattr(checkup, "KEPT_SECONDS", 0.0)
    file = tmp_path / "values.yaml"
    Places(tmp_path).make()
    async with (
        world(tmp_path, engine=True) as made,
        connected(made.app, "/api/ws/monitor") as monitor,
        connected(made.app) as socket,
    ):
        for _ in range(2):  # what is so at the first look is no news
            await monitor.receive(10.0)
        looking = asyncio.create_task(watching(made, file).run())
        for text, said in (
            ("risk: {maxPositionSize: bad}", "risk.maxPositionSize: Must be a number, not text"),
            ("password: 'S3CRET", "line 1, column 18: while scanning a quoted scalar"),
        ):
            file.write_text(text)
            details = await alerted(socket, "warn")
            assert said in details
            assert "the values before it stand" in details
            assert "S3CRET" not in details
            part = (await made.get("/api/health/components")).json()["components"]["config"]
            assert (part["status"], part["details"]) == ("warn", details)
            health = (await made.get("/api/health")).json()["components"]["config"]
            assert (health["status"], health["detail"]) == ("warn", details)
            file.write_text("risk: {maxPositionSize: 0.04}")
            assert await alerted(socket, "ok") == "the file is taken over"
        looking.cancel()
