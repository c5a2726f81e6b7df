"""A real QuestDB for tests: one a worker, on a folder of its own, ended by pid when the worker is done."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from projections.questdb.access import Access
from projections.questdb.java import JAR_NAME, VERSION, QuestDbSettings, cached_jar
from projections.questdb.server import QuestDbServer


def jar() -> Path | None:
    """The pinned jar: in the cache folder, else where Maven keeps its own."""
    home = Path(os.environ.get("MAVEN_REPO_LOCAL") or Path.home() / ".m2" / "repository")
    kept = home / "org" / "questdb" / "questdb" / VERSION / JAR_NAME
    return cached_jar() or (kept if kept.is_file() else None)


def settings(**changes: object) -> QuestDbSettings:
    """Settings for a test; skips it where there is no jar."""
    found = jar()
    if found is None:
        pytest.skip(f"no {JAR_NAME} in the cache folder: install Maven and run `make setup`")
    return QuestDbSettings(jar=str(found), **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def questdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """Access to a server that runs until the tests of this worker are done."""
    server = QuestDbServer(tmp_path_factory.mktemp("questdb"), settings())
    access = asyncio.run(server.start())
    yield access
    asyncio.run(server.stop())
