"""A nats-server for one benchmark, with a bare stream beside the tape, and the table that is printed."""

from __future__ import annotations

import logging
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import nats
import numpy as np
import structlog
from nats.js import JetStreamContext

from events.frames import Section
from events.jetstream import roles, streams
from events.jetstream.link import Link
from events.jetstream.roles import Role
from events.jetstream.server import NatsServer
from events.jetstream.tape import JetStreamTape
from events.rows import MARKET_DTYPE, MarketKind, SectionKind

BARE_STREAM = "BARE"
FRAME_ROWS = 10_900  # 523,200 bytes: just under half a MiB


class Site(NamedTuple):
    """The tape, and nats-py on a stream of the same server."""

    tape: JetStreamTape
    bare: JetStreamContext


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """A server in a temporary folder with its default settings: every append is synced to disk."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="tapedeck-bench-") as folder:
        server = NatsServer(Path(folder), role_table={**roles.ROLES, "bench": Role((">",), vault=True)})
        await server.start()
        try:
            endpoint = server.endpoint("bench")
            link = await Link.open(endpoint)
            await streams.init(link, "bench")
            client = await nats.connect(endpoint.url, nkeys_seed=endpoint.seed_file, inbox_prefix="_INBOX_bench")
            bare = client.jetstream(timeout=30)
            await bare.add_stream(name=BARE_STREAM, subjects=["bare.>"])
            yield Site(await JetStreamTape.open(link), bare)
            await client.close()
            await link.close()
        finally:
            await server.stop()


def rows(count: int, first: int = 0) -> Section:
    """Trade rows that look like a market's."""
    made = np.zeros(count, MARKET_DTYPE)
    made["ts_event_ns"] = 1_700_000_000_000_000_000 + np.arange(first, first + count) * 1_000_000
    made["ts_received_ns"] = made["ts_event_ns"]
    made["price"] = 100 + np.sin(np.arange(first, first + count) / 500)
    made["quantity"] = 1.5
    made["kind"] = MarketKind.TRADE
    return Section(SectionKind.MARKET, made, first)


class Result(NamedTuple):
    """One line of the table. `better` is +1 where more is better, -1 where less is."""

    what: str
    ours: float
    bare: float
    unit: str
    note: str = ""


def show(title: str, results: list[Result]) -> None:
    """Print ours, the baseline of the same run, and their ratio."""
    print(f"\n{title}")
    print(f"{'what':<52}{'ours':>12}{'bare':>14}{'ratio':>8}  unit")
    for result in results:
        ratio = result.ours / result.bare if result.bare else float("nan")
        print(f"{result.what:<52}{result.ours:>12,.2f}{result.bare:>14,.2f}{ratio:>8.2f}  {result.unit} {result.note}")


def middle(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)


def percentile(values: list[float], share: float) -> float:
    """The value below which so great a share lies."""
    return float(np.quantile(np.array(values), share))
