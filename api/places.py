"""Where everything of a data folder lies, and the files by which processes of one house find each other."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from events.children import write_private
from events.errors import NotAvailable

MARK = "tape.json"
HOUSE = "house.json"


class Places:
    """Paths below the data folder. `make` creates the folders with 0700."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nats = folder / "nats"
        self.questdb = folder / "questdb"
        self.duckdb = folder / "duckdb"
        self.segments = folder / "segments"
        self.reports = folder / "reports"
        self.logs = folder / "logs"
        self.run = folder / "run"
        self.overruns = self.run / "overruns"
        self.secrets = folder / "secrets"
        self.seal = folder / "seal"
        self.vault_seal = self.seal / "vault"
        self.password = self.secrets / "admin-password"
        self.configuration_seen = self.run / "configuration-seen.json"
        self.token_secret = self.secrets / "token-secret"
        self.master_key = self.secrets / "master-key"
        self.data_keys = self.secrets / "keys"

    def make(self) -> None:
        """Create what is missing."""
        for place in (self.folder, self.duckdb, self.segments, self.reports, self.logs, self.run, self.secrets):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)


class Mark(msgspec.Struct, frozen=True):
    """Which tape a data folder belongs to; written once by `init`."""

    epoch: str


class HouseFile(msgspec.Struct, frozen=True):
    """A house that runs: who started it and where its API is."""

    pid: int
    api_url: str
    market_store: str


def read_mark(places: Places) -> Mark | None:
    """The mark of a data folder; None before `init`."""
    try:
        return msgspec.json.decode((places.folder / MARK).read_bytes(), type=Mark)
    except FileNotFoundError:
        return None


def write_mark(places: Places, epoch: str) -> None:
    """Say which tape this folder belongs to."""
    write_private(places.folder / MARK, msgspec.json.encode(Mark(epoch)))


def write_house(places: Places, house: HouseFile) -> None:
    """Say that a house runs here."""
    write_private(places.run / HOUSE, msgspec.json.encode(house))


def forget_house(places: Places) -> None:
    """It runs no more."""
    (places.run / HOUSE).unlink(missing_ok=True)


def running_house(places: Places) -> HouseFile | None:
    """The house that runs on this folder; None where none does."""
    try:
        house = msgspec.json.decode((places.run / HOUSE).read_bytes(), type=HouseFile)
    except (OSError, msgspec.MsgspecError):
        return None
    try:
        os.kill(house.pid, 0)
    except OSError:
        return None
    return house


def epoch_of(places: Places) -> str:
    """The epoch this folder belongs to.

    Raises:
        NotAvailable: `init` never ran here.
    """
    mark = read_mark(places)
    if mark is None:
        raise NotAvailable(
            f"{places.folder} holds no tape yet.", code="NOT_INITIALISED", hint="Run `tapedeck init` first."
        )
    return mark.epoch
