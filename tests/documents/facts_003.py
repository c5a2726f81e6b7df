"""Contract 003: how its documented requests are filled in, its errors provoked and its parameters seen."""

from __future__ import annotations

from typing import Any

from tests.documents.facts import Ask, Param, Table, Wrong, nosuch


def fewer(whole: dict[str, Any], part: dict[str, Any]) -> bool:
    """Whether some are left of all signals, and not all."""
    return 0 < part["total"] < whole["total"]


def behind(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two pages have signals, and none in common."""
    one, other = ({signal["id"] for signal in page["signals"]} for page in (first, second))
    return bool(one) and bool(other) and not one & other


# what changes something, or asks the explorer, asks for a token
CHANGES = ("s3.components.restart", "s3.training.start", "s3.training.stop", "s3.executions.create", "s3.db.query")

NO_COMPONENT = (Wrong(Ask(parts={"id": "nosuch"}), "component_id"),)  # as our description calls the parameter

TABLE = Table(
    asks={
        "s3.components.metrics": Ask(parts={"id": "tape"}),
        "s3.components.restart": Ask(parts={"id": "worker"}, user="trader", during="processes"),
        "s3.signals": Ask(query={"limit": 5}, needs=("signal",)),
        "s3.signals.by_id": Ask(parts={"id": "@signal"}),
        "s3.training.start": Ask(user="trader"),
        "s3.training.logs": Ask(parts={"id": "nosuch"}),
        "s3.training.stop": Ask(parts={"id": "nosuch"}, user="trader"),
        "s3.executions.create": Ask(user="trader", needs=("traded symbol",)),
        "s3.db.query": Ask(user="viewer", needs=("explorer",)),
    },
    errors={
        ("s3.components.metrics", 404): NO_COMPONENT,
        ("s3.components.restart", 404): NO_COMPONENT,
        ("s3.signals.by_id", 404): nosuch("id"),
        ("s3.infer.nbeats", 400): (
            Wrong(Ask(fill={"history": None}), "history"),
            Wrong(Ask(fill={"history": [1.0, "x"]}), "history[1]"),
            Wrong(Ask(fill={"horizon": 0}), "horizon"),
        ),
        ("s3.analyze", 400): (Wrong(Ask(fill={"text": None}), "text"), Wrong(Ask(fill={"text": 7}), "text")),
        ("s3.training.logs", 404): nosuch("id"),
        ("s3.training.stop", 404): nosuch("id"),
        ("s3.executions.create", 400): (
            Wrong(Ask(fill={"side": "up"}), "side"),
            Wrong(Ask(fill={"quantity": 0}), "quantity"),
            Wrong(Ask(fill={"symbol": None}), "symbol"),
        ),
        ("s3.db.query", 400): tuple(
            Wrong(Ask(fill={"query": text}), "query")
            for text in ("DROP TABLE signals", "SELECT 1; SELECT 2", "COPY signals TO 'x'", "", "PRAGMA version")
        ),
    },
    queries={
        ("s3.signals", "limit"): Param(1, lambda whole, page: len(page["signals"]) == 1 < len(whole["signals"]), 501),
        ("s3.signals", "cursor"): Param("@cursor", behind, wrong="x"),
        ("s3.signals", "symbol"): Param("BTC_USDT", fewer),
        ("s3.signals", "minScore"): Param("@a high score", fewer, wrong=2),
        ("s3.signals", "since"): Param("@a late time", fewer, wrong="yesterday"),
        ("s3.sentiment", "symbol"): Param(wrong="S" * 5_000),
        ("s3.sentiment", "window"): Param(wrong="2h"),
        ("s3.sentiment", "limit"): Param(wrong=0),
    },
    empty={
        ("s3.status", f".gpus{place}"): "this machine may have no graphics card"
        for place in ("", "[]", *(f"[].{key}" for key in ("id", "name", "memoryTotal", "memoryUsed", "utilization")))
    },
    exceptions={
        **{(name, "auth"): 401 for name in CHANGES},  # C11
        ("s3.mcp.login", "alias /login"): 404,  # C17
        ("s3.mcp.holdings", "alias /get_holdings"): 404,
    },
)
