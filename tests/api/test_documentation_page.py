"""The page of the API is what the routes say, and names nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from api import documentation_page
from api.app import handlers
from api.documentation_page import access_of, page, routes
from api.outcomes import STATUS
from api.streams.job_messages import CHANNELS

FILES = ("broadcast", "job_messages", "session_messages")
EVENTS = "text/event-stream"
ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_the_api_is_not_stale() -> None:
    """docs/api.md is what the application says now."""
    advice = "run: python -m api.documentation_page > docs/api.md"
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == page(), advice


def test_every_route_stands_once_with_its_access_and_meaning() -> None:
    """A route without a sentence, or under no heading, would be missing from the page."""
    text = page()
    for route in routes():
        line = f"| {route.method} | `{route.path}` | {route.access} | {route.what}"
        assert text.count(line) == 1, route
        assert route.what.endswith("."), route


def test_access_in_words() -> None:
    """What a route declares is told in the words of the table."""
    assert access_of({"public": True}) == "public"
    assert access_of({}) == "open"
    assert access_of({"role": "trader", "csrf": True}) == "trader + CSRF"
    assert access_of({"elsewhere": "trader"}) == "trader elsewhere"


def test_examples_name_routes_that_exist() -> None:
    """Each address of the page is one of its routes."""
    known = {route.path for route in routes()}
    for path in re.findall(r"127\.0\.0\.1:8080(/[a-z/]+)", documentation_page.INTRODUCTION):
        assert path in known


def test_every_stream_and_socket_is_told_of() -> None:
    """What a client is sent without asking again is said in words, with every channel and type of message."""
    told = page().partition("## Streams")[2].partition("## Errors")[0]
    streams = {path for one in handlers() if getattr(one, "media_type", "") == EVENTS for path in one.paths}
    sockets = {route.path for route in routes() if route.method == "WebSocket"}
    assert (len(streams), len(sockets)) == (4, 2)
    assert [path for path in streams | sockets if path not in told] == []
    sources = [(ROOT / "api" / "streams" / f"{name}.py").read_text() for name in FILES]
    types = {kind for text in sources for kind in re.findall(r'(?:return |tell\(|_worded\()"([a-z_]+)", ', text)}
    assert {"job_progress", "health_alert", "config_updated"} <= types
    assert [word for word in types | set(CHANNELS) if f"`{word}`" not in told] == []


def test_every_status_of_an_error_is_explained() -> None:
    """No error class has a status that the page does not name."""
    told = set(re.findall(r"^\| (\d{3}) \|", page(), re.MULTILINE))
    assert {str(status) for _, status, _ in STATUS} <= told


def test_the_readme_links_the_page() -> None:
    """A newcomer finds it."""
    assert "(docs/api.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
