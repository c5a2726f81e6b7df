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


@pytest.mark.parametrize("readable", [False, True])
def test_a_failure_logs_nobodys_secret(readable: bool) -> None:
    """What broke has a token in its headers, a secret in its body and in a local: none of them is in the log."""
    found = io.BytesIO()
    configure("info", found, readable=readable)
    token, secret = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl", "-".join(("S3CRET", "OF", "EXCHANGE"))

    def breaks(headers: dict[str, str], body: dict[str, str]) -> None:
        api_secret = body["api_secret"]
        raise RuntimeError(f"cannot send {headers['authorization']} with {len(api_secret)} letters")

    try:
        breaks({"authorization": f"Bearer {token}"}, {"api_secret": secret})
    except RuntimeError as error:
        structlog.get_logger().error("request_failed", error=repr(error), exc_info=error)
    text = found.getvalue().decode()
    assert "RuntimeError" in text
    assert "breaks" in text
    assert "Bearer ***" in text
    for hidden in (secret, token, token[:20]):
        assert hidden not in text


def test_a_verb_that_fails_logs_no_token() -> None:
    """A token in what a verb says of an error is masked, too."""
    found = io.BytesIO()
    configure_verb("warning", found)
    structlog.get_logger().error("failed", error="eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2ln")
    assert b"eyJ" not in found.getvalue()
