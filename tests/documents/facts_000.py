"""Contract 000: how its documented requests are filled in, its errors provoked and its parameters seen."""

from __future__ import annotations

from tests.documents.facts import BAD_CSRF, NO_CSRF, TOKENS, Ask, Param, Table, Wrong

TABLE = Table(
    asks={
        "s0.sessions.start": Ask(fill={"config.session_id": "@recording"}),
        "s0.sessions.stop": Ask(fill={"session_id": "@running session"}),
    },
    errors={
        ("s0.strategies.list", 401): TOKENS,
        ("s0.sessions.start", 401): TOKENS,
        ("s0.sessions.start", 403): (NO_CSRF, BAD_CSRF),
        ("s0.sessions.start", 400): (
            *(Wrong(Ask(fill={name: None}), name) for name in ("session_type", "symbols", "strategy_config")),
            Wrong(Ask(fill={"session_type": "backtest", "config.session_id": None}), "config.session_id"),
        ),
        ("s0.sessions.stop", 401): TOKENS,
        ("s0.sessions.stop", 403): (NO_CSRF, BAD_CSRF),
        ("s0.sessions.stop", 404): (Wrong(Ask(fill={"session_id": "nosuch"})),),
    },
    queries={
        ("s0.datacollection.sessions", "limit"): Param(
            1, lambda whole, page: (whole["limit"], page["limit"], len(page["sessions"])) == (50, 1, 1), wrong="x"
        ),
    },
    exceptions={},
)
