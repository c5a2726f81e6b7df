"""What is logged, as whoever reads it has it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import structlog

from api.logs import configure, configure_verb


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_a_verb_logs_sentences() -> None:
    """A verb whose errors go to a file speaks plain lines there, not JSON, and says nothing below a warning."""
    found = io.BytesIO()
    configure_verb("warning", found)
    structlog.get_logger().info("nothing_to_see")
    structlog.get_logger().warning("nats_disconnected", role="admin", tries=2)
    structlog.get_logger().error("seal_failed")
    assert found.getvalue().decode().splitlines() == [
        "tapedeck: warning: nats disconnected (role admin, tries 2).",
        "tapedeck: error: seal failed.",
    ]


def test_a_process_logs_json() -> None:
    """A process of a house logs one JSON document a line."""
    found = io.BytesIO()
    configure("info", found)
    structlog.get_logger().info("sealing", sequence=7)
    assert found.getvalue().startswith(b'{"event":"sealing","sequence":7')
