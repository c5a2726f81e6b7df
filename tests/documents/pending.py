"""Entries of the inventory that nothing answers yet. A test makes this shrink: see `test_whole.py`."""

from __future__ import annotations

PENDING: frozenset[str] = frozenset(
    {
        "s2.ws.client.subscribe",
        "s2.ws.client.unsubscribe",
        "s2.ws.server.backtest_progress",
        "s2.ws.server.log_entry",
        "s2.ws.server.job_complete",
        "s2.ws.server.job_error",
        "s3.ws.monitor",
        "s3.ws.monitor.system_status",
        "s3.ws.monitor.signal",
        "s4.metrics",
        "s4.ws.connect",
        "s4.ws.system_status",
        "s4.ws.signal",
        "s4.ws.health_alert",
        "s4.rule.prometheus",
    }
)
