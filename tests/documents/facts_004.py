"""Contract 004: how its documented requests are filled in, its errors provoked and its parameters seen."""

from __future__ import annotations

from tests.api.worlds import PASSWORD
from tests.documents.facts import Ask, Table, Wrong, nosuch

TABLE = Table(
    asks={
        "s4.config.section": Ask(parts={"section": "risk"}),
        "s4.config.section.put": Ask(parts={"section": "risk"}),
        "s4.config.import": Ask(body={"content": "risk:\n  maxDailyLoss: 0.05\n"}),
        "s4.instruments.update": Ask(parts={"id": "@instrument"}),
        "s4.instruments.delete": Ask(parts={"id": "@spare instrument"}),
        "s4.signals.by_id": Ask(parts={"id": "@signal"}),
        "s4.auth.login": Ask(fill={"username": "trader", "password": PASSWORD}),
    },
    errors={
        ("s4.system.mode", 400): (Wrong(Ask(fill={"mode": "dream"}), "mode"), Wrong(Ask(fill={"mode": None}), "mode")),
        ("s4.config.section", 404): nosuch("section"),
        ("s4.config.section.put", 400): (
            Wrong(Ask(fill={"maxDailyLoss": 7}), "risk.maxDailyLoss"),
            Wrong(Ask(fill={"surely_unknown": 1}), "risk.surely_unknown"),
        ),
        ("s4.config.section.put", 404): nosuch("section"),
        ("s4.instruments.create", 400): (
            Wrong(Ask(fill={"symbol": None}), "symbol"),
            Wrong(Ask(fill={"type": "dream"}), "type"),
        ),
        ("s4.instruments.update", 404): nosuch("id"),
        ("s4.instruments.delete", 404): nosuch("id"),
        ("s4.signals.by_id", 404): nosuch("id"),
        ("s4.auth.login", 401): (Wrong(Ask(fill={"password": "a wrong one"})), Wrong(Ask(fill={"username": "nobody"}))),
    },
    queries={},
    exceptions={("s4.models.train", "auth"): 400},  # C11: who has no token comes as far as to what is wrong
)
