"""The servers that a house starts beside its own processes: which version they are, and since when they run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import duckdb

from api.house import House
from api.places import Places
from api.servers import NATS, QUESTDB, market_store_of
from events.children import left_over
from events.clock import NS_PER_SECOND
from events.errors import TapedeckError
from projections.questdb.java import VERSION

UNKNOWN = "unknown"  # a server that somebody else runs


class ChildServer(NamedTuple):
    """One server."""

    version: str
    started_ns: int | None = None  # None: it is none of this machine's, or runs in a process of ours
    pid: int = 0
    process: str = ""  # by which name a supervisor of this machine restarts it; empty: it is none of a house's servers


async def child_servers(house: House) -> dict[str, ChildServer]:
    """Of `tape`, `read_model` and `market`."""
    settings, places = house.settings, Places(house.settings.folder)
    embedded = ChildServer(f"DuckDB {duckdb.__version__}")
    try:
        version = (await house.tape.info()).server
    except TapedeckError:
        version = UNKNOWN
    tape = ChildServer(f"nats-server {version}" if version else "in memory")
    if not settings.tape.url:
        tape = _child(tape, places.nats, NATS)
    market = embedded
    if not house.beside and market_store_of(settings) == "questdb":
        ours = not settings.market.url
        market = ChildServer(f"QuestDB {VERSION if ours else UNKNOWN}")
        market = _child(market, places.questdb, QUESTDB) if ours else market
    return {"tape": tape, "read_model": embedded, "market": market}


def _child(server: ChildServer, folder: Path, name: str) -> ChildServer:
    """With what is known of the child of a folder, where it runs here."""
    running = left_over(folder)
    if running is None:
        return server
    started_ns = round(running.create_time() * NS_PER_SECOND)
    return server._replace(started_ns=started_ns, pid=running.pid, process=name)
