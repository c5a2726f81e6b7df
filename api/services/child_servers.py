"""The servers that a house starts beside its own processes: which version they are, and since when they run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import duckdb

from api.house import House
from api.places import Places
from api.servers import market_store_of
from events.children import left_over
from events.clock import NS_PER_SECOND
from events.errors import TapedeckError
from projections.questdb.java import VERSION as QUESTDB

UNKNOWN = "unknown"  # a server that somebody else runs


class ChildServer(NamedTuple):
    """One server."""

    version: str
    started_ns: int | None = None  # None: it is none of this machine's, or runs in a process of ours


async def child_servers(house: House) -> dict[str, ChildServer]:
    """Of `tape`, `read_model` and `market`."""
    settings, places = house.settings, Places(house.settings.folder)
    embedded = ChildServer(f"DuckDB {duckdb.__version__}")
    try:
        version = (await house.tape.info()).server
    except TapedeckError:
        version = UNKNOWN
    tape = ChildServer(f"nats-server {version}" if version else "in memory", _since(places.nats))
    market = embedded
    if not house.beside and market_store_of(settings) == "questdb":
        ours = not settings.market.url
        market = ChildServer(f"QuestDB {QUESTDB if ours else UNKNOWN}", _since(places.questdb) if ours else None)
    return {"tape": tape, "read_model": embedded, "market": market}


def _since(folder: Path) -> int | None:
    """When the child of a folder was started, where it runs here."""
    running = left_over(folder)
    return round(running.create_time() * NS_PER_SECOND) if running else None
