"""Templates that are there from the start. Nobody can save another under their ids."""

from __future__ import annotations

from typing import Any

import msgspec


class BuiltIn(msgspec.Struct, frozen=True):
    """A template: sections with the keys it sets."""

    id: str
    name: str
    description: str
    values: dict[str, dict[str, Any]]


BUILT_IN: tuple[BuiltIn, ...] = (
    BuiltIn(
        "quick-test",
        "Quick Test",
        "Little training on one symbol: whether everything runs, in minutes",
        {
            "data": {
                "symbols": ["EURUSD"],
                "primaryTimeframe": "1h",
                "additionalTimeframes": [],
                "lookbackWindow": 60,
                "predictionHorizon": 6,
            },
            "transformer": {"dModel": 64, "nHeads": 4, "nEncoderLayers": 2, "epochs": 5, "patience": 2},
            "ppo": {"totalTimesteps": 10_000},
        },
    ),
    BuiltIn(
        "production",
        "Production",
        "Full training, and careful limits for what then trades",
        {
            "data": {
                "primaryTimeframe": "1h",
                "additionalTimeframes": ["15m", "4h", "1d"],
                "lookbackWindow": 240,
                "predictionHorizon": 12,
            },
            "transformer": {
                "dModel": 256,
                "nHeads": 8,
                "nEncoderLayers": 6,
                "learningRate": 0.0001,
                "epochs": 300,
                "patience": 30,
            },
            "ppo": {"totalTimesteps": 5_000_000},
            "risk": {"maxPositionSize": 0.01, "maxDailyLoss": 0.03},
        },
    ),
)
RESERVED = frozenset(one.id for one in BUILT_IN)
