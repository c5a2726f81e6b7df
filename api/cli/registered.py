"""The strategies of this installation, without what else sessions need."""

from __future__ import annotations

from pathlib import Path

from api.settings import Settings
from engine.strategies.registry import Registry, discover


def folder_of(settings: Settings) -> Path | None:
    """The folder of the user's own strategies."""
    given = settings.engine.strategies
    return Path(given).expanduser() if given else None


def registry_of(settings: Settings) -> Registry:
    """Built-in strategies and the user's own. Raises InvalidInput."""
    return discover(folder_of(settings))
