"""Values of the configuration in the environment: read as their keys have them, refused by their own name."""

from __future__ import annotations

import pytest

from engine.configuration.changes import TYPES, check_whole, flat, read
from engine.configuration.environment import NAMES, overrides
from engine.configuration.sections import DEFAULTS
from engine.configuration.templates import BUILT_IN
from events.errors import InvalidInput


def test_values_are_read_by_the_type_of_their_key() -> None:
    """Numbers, words and lists; every key has a name of its own."""
    assert len(NAMES) == len(TYPES)
    assert overrides(
        {
            "TAPEDECK_CONFIG_BACKTEST_INITIAL_BALANCE": "5000",
            "TAPEDECK_CONFIG_TRANSFORMER_N_HEADS": "4",
            "TAPEDECK_CONFIG_DATA_SYMBOLS": "EURUSD, GBPUSD",
            "TAPEDECK_CONFIG_DATA_ADDITIONAL_TIMEFRAMES": '["4h"]',
            "TAPEDECK_CONFIG_PPO_GAEAMBDA": "0.9",
            "TAPEDECK_CONFIG": "settings.yaml",
            "HOME": "/root",
        }
    ) == {
        "backtest.initialBalance": 5000.0,
        "transformer.nHeads": 4,
        "data.symbols": ["EURUSD", "GBPUSD"],
        "data.additionalTimeframes": ["4h"],
        "ppo.gaeambda": 0.9,
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TAPEDECK_CONFIG_BACKTEST_LEVERAGE", "0"),
        ("TAPEDECK_CONFIG_BACKTEST_LEVERAGE", "much"),
        ("TAPEDECK_CONFIG_BACKTEST_LEVERAGE", ""),
        ("TAPEDECK_CONFIG_TRANSFORMER_N_HEADS", "7"),
        ("TAPEDECK_CONFIG_DATA_PRIMARY_TIMEFRAME", "7m"),
        ("TAPEDECK_CONFIG_BROKER_NAME", "x"),
        ("TAPEDECK_CONFIG_", "x"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(name: str, text: str) -> None:
    """The error names the variable."""
    with pytest.raises(InvalidInput) as told:
        overrides({name: text})
    assert told.value.field == name
    assert name in told.value.message


def test_templates_that_are_there_from_the_start_are_good() -> None:
    """Each can be taken over as it is."""
    for one in BUILT_IN:
        check_whole(flat(DEFAULTS) | read(one.values))
