"""Settings: each is read by something, and the limits that users set are those that hold."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import api
from api import bootstrap
from api.settings import EngineSettings, MarketSettings, Settings, SourceSettings, load
from events.errors import InvalidInput

API = Path(api.__file__).parent


def names() -> list[tuple[str, str]]:
    """Every setting: its section and its name."""
    sections = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    return [
        (section, field.name)
        for section, kind in sections.items()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not SourceSettings
        for field in msgspec.structs.fields(kind)
    ]


@pytest.mark.parametrize(("section", "name"), names())
def test_every_setting_is_read(section: str, name: str) -> None:
    """A setting that nothing reads would promise what nobody keeps."""
    text = "\n".join(path.read_text() for path in API.rglob("*.py") if path.name != "settings.py")
    assert re.search(rf"\.{name}\b", text), f"{section}.{name} is read nowhere"


async def test_limits_of_queries_are_those_of_the_settings(tmp_path: Path) -> None:
    """The store of time series asks as many questions at once, and waits as long, as the settings say."""
    settings = Settings(market=MarketSettings(query_pool_max=2, query_seconds_max=3.0))
    store = bootstrap.duck_market_store(settings, tmp_path / "market.duckdb")
    try:
        assert (store.limits.query_pool_max, store.limits.query_seconds_max) == (2, 3.0)
    finally:
        await store.close()
    assert bootstrap.host_settings(Settings(engine=EngineSettings(sessions_max=3)), ("paper",)).sessions_max == 3


def test_rows_wait_for_company_as_long_as_the_settings_say() -> None:
    """A live market is a few commits a second for QuestDB, each with its views, and not one for each tick."""
    assert bootstrap.projector_limits(Settings()).linger_seconds == 0.25
    assert bootstrap.projector_limits(Settings(market=MarketSettings(linger_seconds=0.0))).linger_seconds == 0.0


def test_variables_of_the_configuration_and_the_master_key_are_known() -> None:
    """They are read elsewhere and let through here; a value that cannot be is refused by the name of its variable."""
    assert load(env={"TAPEDECK_CONFIG_PPO_GAMMA": "0.9", "TAPEDECK_MASTER_KEY": "ab" * 32}) == Settings()
    for name, text in (("TAPEDECK_CONFIG_PPO_GAMMA", "2"), ("TAPEDECK_CONFIG_PPO_GAMA", "1"), ("TAPEDECK_KEY", "x")):
        with pytest.raises(InvalidInput) as told:
            load(env={name: text})
        assert told.value.field == name
