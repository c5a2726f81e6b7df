"""Worlds that the tests of a file share."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import structlog

from tests.api.recordings import LiveSource, simulated_recording
from tests.api.worlds import World, world
from tests.projections.random_tapes import random_script

SEED, STEPS = 11, 160


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seeded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house over a tape of random sessions, recordings and instruments; nobody runs anything."""
    script = await random_script(SEED, STEPS)
    async with world(tmp_path_factory.mktemp("seeded"), tape=script.tape) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with an engine, a recording of an hour (`rec_aaaa...`) and a live source."""
    async with world(tmp_path_factory.mktemp("running"), engine=True) as made:
        await simulated_recording(made.tape)
        await LiveSource(made.tape).open()
        await made.caught_up()
        yield made


@pytest.fixture(scope="session", autouse=True)
def quiet() -> None:
    """Log warnings only: a line per request is what its own test asks for."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
