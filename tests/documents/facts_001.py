"""Contract 001: how its documented requests are filled in, its errors provoked and its parameters seen."""

from __future__ import annotations

from typing import Any

from tests.documents.cases_001_backtests import PARAMS
from tests.documents.facts import TOKENS, Ask, Param, Table, Wrong, nosuch

MODEL = {"symbol": "ETH_USDT", "timeframe": "1m"}
RANGE: dict[str, Any] = {"start_date": "@start", "end_date": "@end", "symbol": "LTC_USDT"}
OF_A_KIND: dict[str, Any] = {**RANGE, "strategy": "ema_cross", "params": PARAMS}
STRATEGY = ("get", "update", "delete", "activate", "deactivate")
NO_MODEL = Param(wrong="x")  # needs a model: nothing is to be seen of it


def part_of(whole: list[Any], part: list[Any]) -> bool:
    """Whether some are left, and not all."""
    return 0 < len(part) < len(whole)


TABLE = Table(
    asks={
        "s1.keys.list": Ask(needs=("key",)),
        "s1.keys.update": Ask(parts={"api_key_id": "@key"}),
        "s1.keys.delete": Ask(parts={"api_key_id": "@spare key"}),
        "s1.market.data": Ask(query={"symbol": "BTC_USDT", "timeframe": "1m"}),
        "s1.models.get": Ask(parts={"model_name": "nosuch"}),
        "s1.predictions.get": Ask(query=MODEL),
        "s1.predictions.generate": Ask(query=MODEL),
        "s1.predictions.by_id": Ask(parts={"prediction_id": "nosuch"}),
        "s1.predictions.stream": Ask(query=MODEL),
        "s1.backtests.list": Ask(needs=("backtest", "failed backtest")),
        "s1.backtests.get": Ask(parts={"backtest_id": "@backtest"}),
        "s1.backtests.run": Ask(fill=OF_A_KIND),
        "s1.backtests.stream": Ask(query={**RANGE, "strategy": "ema_cross", "initial_capital": 10_000.0}),
        "s1.strategies.list": Ask(needs=("strategy",)),
        "s1.strategies.create": Ask(fill={"type": "ema_cross"}),
        **{f"s1.strategies.{one}": Ask(parts={"strategy_id": "@strategy"}) for one in STRATEGY},
        "s1.strategies.delete": Ask(parts={"strategy_id": "@spare strategy"}),
        "s1.system.resources": Ask(user="admin", during="busy"),
        "s1.system.queue": Ask(during="busy"),
        "s1.system.task_events": Ask(user="", query={"token": "@token"}),
        "s1.portfolio": Ask(needs=("holding",)),
        "s1.portfolio.history": Ask(needs=("holding",)),
    },
    forms={
        "s1.backtests.run": Ask(during="busy"),
        "s1.system.resources": Ask(user="trader"),
    },
    errors={
        **{
            (f"s1.{name}", 401): TOKENS
            for name in (
                *("keys.list", "keys.create", "keys.update", "keys.delete", "predictions.generate"),
                *("predictions.list", "predictions.by_id", "backtests.run", "system.resources", "system.queue"),
            )
        },
        ("s1.system.resources_only", 401): (*TOKENS, Wrong(Ask(user="trader")), Wrong(Ask(user="viewer"))),
        ("s1.system.task_events", 401): (
            Wrong(Ask(query={"token": None})),
            Wrong(Ask(query={"token": "x.y.z"})),
            Wrong(Ask(query={"token": None}, headers={"Authorization": "Bearer x.y.z"})),
        ),
        ("s1.keys.create", 400): (
            Wrong(Ask(fill={"api_key": None}), "api_key"),
            Wrong(Ask(fill={"environment": 7}), "environment"),
        ),
        ("s1.keys.update", 404): nosuch("api_key_id"),
        ("s1.keys.delete", 404): nosuch("api_key_id"),
        ("s1.market.data", 400): (
            Wrong(Ask(query={"timeframe": "7m"}), "timeframe"),
            Wrong(Ask(query={"symbol": None}), "symbol"),
        ),
        ("s1.models.get", 404): nosuch("model_name"),
        ("s1.predictions.get", 400): (Wrong(Ask(query={"symbol": None}), "symbol"),),
        ("s1.predictions.generate", 400): (Wrong(Ask(query={"timeframe": "7m"}), "timeframe"),),
        ("s1.predictions.by_id", 404): nosuch("prediction_id"),
        ("s1.backtests.get", 404): nosuch("backtest_id"),
        ("s1.backtests.run", 500): (Wrong(broken=True),),
        ("s1.strategies.create", 400): (
            Wrong(Ask(fill={"type": "nosuch"}), "type"),
            Wrong(Ask(fill={"name": None}), "name"),
            Wrong(Ask(fill={"params.fast": 1}), "params.fast"),
        ),
        **{(f"s1.strategies.{one}", 404): nosuch("strategy_id") for one in STRATEGY},
    },
    queries={
        ("s1.market.data", "symbol"): Param(wrong=""),
        ("s1.market.data", "timeframe"): Param("5m", part_of, wrong="7m"),
        ("s1.market.data", "start"): Param("@a late candle", part_of, wrong="yesterday"),
        ("s1.market.data", "end"): Param("@a late candle", part_of, wrong="tomorrow"),
        ("s1.market.symbols", "asset_type"): Param(
            "crypto", lambda whole, part: (whole["asset_type"], part["asset_type"]) == ("all", "crypto"), wrong="x"
        ),
        ("s1.predictions.get", "symbol"): Param(wrong=""),
        ("s1.predictions.get", "timeframe"): Param(wrong="7m"),
        ("s1.predictions.get", "auto_train"): NO_MODEL,
        ("s1.predictions.get", "force_retrain"): NO_MODEL,
        ("s1.predictions.generate", "symbol"): Param(wrong=""),
        ("s1.predictions.generate", "timeframe"): Param(wrong="7m"),
        ("s1.predictions.generate", "auto_train"): NO_MODEL,
        ("s1.predictions.stream", "symbol"): Param(wrong=""),
        ("s1.predictions.stream", "timeframe"): Param(wrong="7m"),
        ("s1.backtests.stream", "strategy"): Param(wrong="nosuch"),
        ("s1.backtests.stream", "symbol"): Param(wrong="NO_SUCH"),
        ("s1.backtests.stream", "start_date"): Param(wrong="yesterday"),
        ("s1.backtests.stream", "end_date"): Param(wrong="tomorrow"),
        ("s1.backtests.stream", "initial_capital"): Param(wrong=0),
        ("s1.backtests.stream", "params"): Param(wrong="{"),
        ("s1.system.task_events", "token"): Param(without=401),
        ("s1.portfolio.history", "days"): Param(1, part_of, wrong=0),
    },
    exceptions={
        ("s1.models.train", "error 500"): 501,
        ("s1.predictions.get", "error 500"): 501,
        ("s1.predictions.get", "error 503"): 501,
    },
)
