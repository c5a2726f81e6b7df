"""Contract 002: how its documented requests are filled in, its errors provoked and its parameters seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.documents.facts import Ask, Param, Table, Wrong, nosuch

Sees = Callable[[Any, Any], bool]
GRID = {"fast": [10], "slow": [40]}
JOB = Ask(parts={"jobId": "nosuch"})
MODELS = Ask(parts={"directory": "saved_models"})
FILE = Ask(parts={"filename": "@log file"})
BIG = 1_001


def rows(name: str, holds: Sees = lambda whole, part: 0 < len(part) < len(whole)) -> Sees:
    """A look at the lists of that name in two answers."""
    return lambda whole, part: holds(whole["data"][name], part["data"][name])


def wrong(*changes: tuple[str, Any]) -> tuple[Wrong, ...]:
    """Fields by dotted name with values that they cannot have."""
    return tuple(Wrong(Ask(fill={name: value}), name) for name, value in changes)


# the first page begins with what the second one leaves out
LIMIT: Sees = lambda whole, page: page["pagination"]["limit"] == 1  # noqa: E731
OFFSET: Sees = lambda whole, page: page["pagination"]["offset"] == 1  # noqa: E731

TABLE = Table(
    asks={
        "s2.training.job": JOB,
        "s2.training.stop": JOB,
        "s2.training.logs": JOB,
        "s2.models.get": MODELS,
        "s2.models.download": MODELS,
        "s2.backtest.run": Ask(needs=("forex",)),
        "s2.backtest.results": Ask(needs=("result", "other result", "backtest")),
        "s2.backtest.result": Ask(parts={"resultId": "@result"}),
        "s2.backtest.compare": Ask(body={"resultIds": ["@result", "@other result"]}),
        "s2.walkforward.run": Ask(needs=("forex",)),
        "s2.walkforward.result": Ask(parts={"resultId": "@walk-forward"}),
        "s2.logs.files": Ask(needs=("log file",)),
        "s2.logs.file": FILE,
    },
    errors={
        ("s2.training.start", 400): wrong(("epochs", 1_001), ("symbols", []), ("config.ppo.gamma", 7)),
        ("s2.training.job", 404): nosuch("jobId"),
        ("s2.training.stop", 404): nosuch("jobId"),
        ("s2.training.logs", 404): nosuch("jobId"),
        ("s2.backtest.run", 400): wrong(
            ("symbol", "DOGEUSD"), ("bars", 0), ("config.leverage", 0), ("timeframe", "7m")
        ),
        ("s2.backtest.result", 404): nosuch("resultId"),
        ("s2.backtest.compare", 400): (
            Wrong(Ask(fill={"resultIds": []}), "resultIds"),
            Wrong(Ask(fill={"resultIds": "x"}), "resultIds"),
        ),
        ("s2.backtest.compare", 404): (Wrong(Ask(fill={"resultIds": ["@result", "nosuch"]}), "resultIds"),),
        ("s2.walkforward.run", 400): wrong(("symbol", "DOGEUSD"), ("stepSizeDays", 0), ("trainWindowDays", 100_000)),
        ("s2.walkforward.result", 404): nosuch("resultId"),
        ("s2.config.put", 400): (
            Wrong(Ask(fill={"transformer.epochs": -1}), "transformer.epochs"),
            Wrong(Ask(fill={"nosuch": {}}), "nosuch"),
        ),
        ("s2.config.templates.create", 400): (
            Wrong(Ask(fill={"name": None}), "name"),
            Wrong(Ask(fill={"config.transformer.epochs": -1}), "config.transformer.epochs"),
        ),
        ("s2.config.validate", 400): (
            Wrong(Ask(), "transformer.epochs"),
            Wrong(Ask(fill={"transformer.epochs": "x"}), "transformer.epochs"),
        ),
        ("s2.models.get", 404): nosuch("directory"),
        ("s2.models.download", 404): nosuch("directory"),
        ("s2.logs.file", 404): nosuch("filename"),
    },
    queries={
        ("s2.training.jobs", "status"): Param(wrong="dreaming"),
        ("s2.training.jobs", "symbol"): Param(wrong="S" * 5_000),
        ("s2.training.jobs", "limit"): Param(1, LIMIT, wrong=BIG),
        ("s2.training.jobs", "offset"): Param(1, OFFSET, wrong=-1),
        ("s2.training.logs", "level"): Param(wrong="LOUD"),
        ("s2.training.logs", "since"): Param(wrong="yesterday"),
        ("s2.training.logs", "limit"): Param(wrong=BIG),
        ("s2.backtest.results", "symbol"): Param("EURUSD", rows("results")),
        ("s2.backtest.results", "minSharpe"): Param("@a good ratio", rows("results"), wrong="x"),
        ("s2.backtest.results", "limit"): Param(
            1, rows("results", lambda whole, page: page == whole[:1] != whole), wrong=BIG
        ),
        ("s2.backtest.results", "offset"): Param(
            1, rows("results", lambda whole, page: page[: len(whole) - 1] == whole[1:] != []), wrong=-1
        ),
        ("s2.logs.file", "level"): Param("WARNING", rows("lines"), wrong="LOUD"),
        ("s2.logs.file", "search"): Param("ROOM", rows("lines"), wrong="a" * 5_000),
        ("s2.logs.file", "limit"): Param(1, rows("lines", lambda whole, page: page == whole[:1] != whole), wrong=BIG),
        ("s2.logs.file", "offset"): Param(1, rows("lines", lambda whole, page: page == whole[1:] != []), wrong=-1),
    },
    exceptions={},
)
