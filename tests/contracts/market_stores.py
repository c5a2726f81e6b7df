"""The market stores that the suite runs over, as fixtures: a plugin of the suite, imported by nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from projections.market_duckdb import DuckMarketStore
from projections.market_store import MarketStore
from projections.questdb.access import Access
from projections.questdb.server import QuestDbServer
from projections.questdb.store import QuestDbMarketStore
from tests.contracts.market_worlds import LIMITS, World
from tests.projections.questdb_servers import settings

Make = Callable[[], MarketStore]


@pytest.fixture(scope="session")
def questdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """Access to a server that runs until the tests of this worker are done."""
    server = QuestDbServer(tmp_path_factory.mktemp("questdb"), settings())
    access = asyncio.run(server.start())
    yield access
    asyncio.run(server.stop())


@pytest.fixture(params=["duckdb", pytest.param("questdb", marks=pytest.mark.questdb)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """How each implementation is made; QuestDB's tables are those of the whole run, a DuckDB file is fresh."""
    if request.param == "duckdb":
        return lambda: DuckMarketStore(tmp_path / "market.duckdb", LIMITS)
    access = request.getfixturevalue("questdb")
    return lambda: QuestDbMarketStore(access, LIMITS)


@pytest.fixture(scope="module")
def with_tables() -> set[str]:
    """Kinds of store whose tables are there for the whole run."""
    return set()


@pytest.fixture
async def store(make: Make, with_tables: set[str]) -> AsyncIterator[MarketStore]:
    """A store with its tables."""
    made = make()
    if "questdb" not in with_tables or isinstance(made, DuckMarketStore):
        await asyncio.to_thread(made.create)
    if isinstance(made, QuestDbMarketStore):
        with_tables.add("questdb")
    yield made
    await made.close()


@pytest.fixture
def world(store: MarketStore) -> World:
    """A source and a session that nobody else uses."""
    return World(store)
