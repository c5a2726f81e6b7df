"""Where tests find QuestDB's jar, and the settings of a server for a test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from projections.questdb.java import JAR_NAME, VERSION, QuestDbSettings, cached_jar


def jar() -> Path | None:
    """The pinned jar: in the cache folder, else where Maven keeps its own."""
    home = Path(os.environ.get("MAVEN_REPO_LOCAL") or Path.home() / ".m2" / "repository")
    kept = home / "org" / "questdb" / "questdb" / VERSION / JAR_NAME
    return cached_jar() or (kept if kept.is_file() else None)


def settings(**changes: object) -> QuestDbSettings:
    """Settings for a test, which starts servers more than it uses them; skips it where there is no jar."""
    found = jar()
    if found is None:
        pytest.skip(f"no {JAR_NAME} in the cache folder: install Maven and run `make setup`")
    return QuestDbSettings(**{"jar": str(found), "compiler": "quick", **changes})  # type: ignore[arg-type]
