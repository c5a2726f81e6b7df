"""Lines of logs as they are: what is no entry is text, however it is made."""

from __future__ import annotations

from pathlib import Path

from api import log_files
from api.log_files import Wish


def test_a_line_that_nests_too_deep_is_text(tmp_path: Path) -> None:
    """It hides no other line of its file."""
    deep = b'{"event":"x","a":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    whole = b'{"event":"started","level":"info","timestamp":"2026-01-01T00:00:00Z"}'
    (tmp_path / "api.log").write_bytes(b"\n".join([b"[" * 50_000, deep, whole, b""]))
    found = log_files.page(tmp_path, "api.log", Wish(10)).lines
    assert [line.level for line in found].count("INFO") == 1
    assert len(found) == 3


def test_a_token_in_a_file_is_not_served(tmp_path: Path) -> None:
    """An earlier release wrote headers into tracebacks, and libraries write what they like."""
    token = b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
    entry = b'{"event":"request_failed","level":"error","headers":{"authorization":"Bearer ' + token + b'"}}'
    (tmp_path / "api.log").write_bytes(b"\n".join([entry, b"printed: " + token, b""]))
    found = log_files.page(tmp_path, "api.log", Wish(10)).lines
    assert len(found) == 2
    for line in found:
        assert "***" in line.message
        assert "eyJ" not in line.message
