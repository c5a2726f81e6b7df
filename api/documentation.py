"""The OpenAPI description: Litestar's, completed by what holds for every route (access, errors, headers, examples).

It is made once, when it is first asked for: a start does not wait for it.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Contact, License
from litestar.routes import HTTPRoute

from api.documented_examples import EXAMPLES, RESPONSES
from api.errors import ErrorBody, ErrorEnvelope, is_v1
from api.made_examples import example_of
from api.services.checkup import VERSION

Schema = dict[str, Any]

TITLE = "Tapedeck"
INTRODUCTION = """An event-sourced trading engine. Sessions trade recorded or live markets; everything they decide is on
one log, the *tape*, and can be replayed, verified and forked.

- Every read says as of which place on the tape it is (`Tape-Sequence`, `Tape-Epoch`); `as_of` asks for another one,
  `Tape-Min-Sequence` waits for one: you read what you wrote.
- Every command takes an `Idempotency-Key`: repeated with it, it is answered as the first time and done once.
- In a body, null for a field that may be left out is the same as leaving it out, unless the field says what null is.
- Every error has one body; its `error_code` never changes its meaning.
- Bound to loopback, reads are open. Elsewhere every route but health, login and the page asks for a token.
"""
TAGS = {
    "session control": "Contract 000: strategies, symbols with prices, recorded sessions, start and stop.",
    "sessions": "Sessions and everything they decided.",
    "research": "What a session has come to: metrics, report, verification, forks.",
    "market": "Candles and symbols.",
    "instruments": "Contract 004: what is traded, where, in which steps and at which fees.",
    "strategies": "Contract 001: kinds of strategies, and configured strategies.",
    "logs": "Contract 002: files of the logs, their lines, and lines as they are written.",
    "keys": "Contract 001: your keys of exchanges, encrypted at rest; answers have hints of them.",
    "configuration": "Contracts 002 and 004: what users configure, changes of it, templates, and as YAML.",
    "jobs": "Contract 001: backtests in the background, tasks and resources; jobs of every kind.",
    "tape": "The log itself: pages and a stream of events.",
    "learning": "Models, predictions and sentiment (001 to 004). What would learn is answered 501 here.",
    "access": "Login and tokens.",
    "system": "Health and components: contracts 002, 003 and 004.",
}
# the first path prefix that fits
TAG_BY_PATH = (
    ("/api/auth/", "access"),
    ("/api/health", "system"),
    ("/api/status", "system"),
    ("/api/components", "system"),
    ("/api/v1/health", "system"),
    ("/api/v1/metrics", "system"),
    ("/api/audit", "access"),
    ("/api/tape/", "tape"),
    ("/api/market/", "market"),
    ("/api/instruments", "instruments"),
    ("/api/strategies/", "strategies"),
    ("/api/keys", "keys"),
    ("/api/v1/logs", "logs"),
    ("/api/config", "configuration"),
    ("/api/v1/config", "configuration"),
    ("/api/backtests", "jobs"),
    ("/api/system/resources", "jobs"),
    ("/api/system/queue", "jobs"),
    ("/api/system/task-events", "jobs"),
    ("/api/system/", "system"),
    ("/api/jobs", "jobs"),
    ("/api/v1/training", "learning"),
    ("/api/v1/models", "learning"),
    ("/api/models", "learning"),
    ("/api/predictions", "learning"),
    ("/api/training", "learning"),
    ("/api/infer", "learning"),
    ("/api/analyze", "learning"),
    ("/api/sentiment", "learning"),
    ("/api/predict", "learning"),
    ("/predict", "learning"),
    ("/health", "learning"),
    ("/api/sessions/{session}/metrics", "research"),
    ("/api/sessions/{session}/report", "research"),
    ("/api/sessions/{session}/verify", "research"),
    ("/api/sessions/{session}/fork", "research"),
    ("/api/sessions", "sessions"),
    ("", "session control"),
)
ERRORS = {
    "400": "A parameter or field is missing, unknown, of the wrong type or out of bounds; `field` says which.",
    "401": "A token is needed and there is none, or it is forged, expired or withdrawn.",
    "403": "The role does not suffice, the CSRF token is missing or wrong, or `Host` or `Origin` is not allowed here.",
    "404": "There is no such thing; the message says what there is.",
    "409": "It exists already, is not in a state that allows this, or a named limit is reached.",
    "413": "The body is larger than `body_bytes_max`.",
    "415": "The body is not application/json.",
    "429": "Too many requests; `Retry-After` says when to come back.",
    "500": "Something broke here; the same request, with the same key, may be tried again. The log says what it was.",
    "501": "Understood, and not part of this installation: it has no venue and no learning.",
    "503": "Not caught up yet, or the outcome is unknown: repeat with the same key after `Retry-After`.",
}
HEADERS = {
    "Tape-Sequence": "as of which sequence of the tape the answer is",
    "Tape-Epoch": "which tape that is",
}
INSTRUMENT_TOLD = "SYMBOL@VENUE that was taken, of those that the symbol may be"


def openapi() -> OpenAPIConfig:
    """What Litestar is told."""
    return OpenAPIConfig(
        title=TITLE,
        version=VERSION,
        description=INTRODUCTION,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        contact=Contact(name="Tapedeck"),
        use_handler_docstrings=True,
    )


def description_of(app: Litestar) -> bytes:
    """The description of an application as JSON, made once."""
    made: bytes | None = app.state.get("description")
    if made is None:
        made = app.state["description"] = msgspec.json.encode(complete(app))
    return made


def complete(app: Litestar) -> Schema:
    """The description with everything that holds for every route."""
    schema: Schema = describing(app).openapi_schema.to_schema()
    parts = schema.setdefault("components", {})
    parts["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "from /api/auth/login"},
        "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token", "description": "csrf_token of the login"},
    }
    schemas = parts.setdefault("schemas", {})
    schemas |= _schemas_of(ErrorBody, "Error") | _schemas_of(ErrorEnvelope, "ErrorEnvelope")
    schema["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    schema = _as_it_is_read(schema, strict_bodies(app))
    options = dict(_options(app))
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            _finish(operation, path, method, options.get((path, method), {}), schema["components"]["schemas"])
    return schema


def describing(app: Litestar) -> Litestar:
    """An application of the same routes that describes itself; it serves nobody."""
    made: Litestar = app.state["describe"]()
    return made


def _schemas_of(kind: type[msgspec.Struct], name: str) -> Schema:
    """Schema of a struct under a name, and of those within it under theirs."""
    _, parts = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    return {name if key == kind.__name__ else key: value for key, value in parts.items()}


def strict_bodies(app: Litestar) -> frozenset[str]:
    """Names of the bodies, and of what is in them, that take no other fields than theirs."""
    found: set[str] = set()
    waiting: list[Any] = [
        handler.parsed_data_field.annotation
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler, _ in route.route_handler_map.values()
        if handler.parsed_data_field is not None
    ]
    while waiting:
        kind = waiting.pop()
        waiting += typing.get_args(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__name__ not in found:
            waiting += typing.get_type_hints(kind, include_extras=True).values()
            if kind.__struct_config__.forbid_unknown_fields:
                found.add(kind.__name__)
    return frozenset(found)


def _as_it_is_read(schema: Any, strict: frozenset[str]) -> Any:
    """Unions are `anyOf` (a whole number is a number as well), and strict bodies take no other fields."""
    if isinstance(schema, list):
        return [_as_it_is_read(one, strict) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {"anyOf" if key == "oneOf" else key: _as_it_is_read(value, strict) for key, value in schema.items()}
    if made.get("type") == "object" and made.get("title") in strict and "properties" in made:
        made["additionalProperties"] = False
    return made


def _options(app: Litestar) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """What each route asks for, by path as the description words it and method."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                yield (route.path_format, method.lower()), dict(handler.opt)


def _finish(operation: Schema, path: str, method: str, opt: dict[str, Any], schemas: dict[str, Schema]) -> None:
    operation["tags"] = [next(tag for prefix, tag in TAG_BY_PATH if path.startswith(prefix))]
    role = opt.get("role")
    if role:
        operation["security"] = [{"token": [], "csrf": []}] if opt.get("csrf") else [{"token": []}]
        operation["description"] = f"{operation.get('description', '')}\n\nRole: {role}.".strip()
    elif not opt.get("public"):
        operation["security"] = [{}, {"token": []}]
    responses = operation["responses"]
    body = {"$ref": f"#/components/schemas/{'ErrorEnvelope' if is_v1(path) else 'Error'}"}
    for status in _errors(operation, path, method, opt):
        responses[status] = {
            "description": ERRORS[status],
            "content": {"application/json": {"schema": body}},
        }
    good = responses.get("200")
    if good and path not in ("/api/health",) and not path.startswith("/api/auth/"):
        good["headers"] = {
            **good.get("headers", {}),
            **{name: {"schema": {"type": "string"}, "description": text} for name, text in HEADERS.items()},
        }
    if opt.get("instrument"):
        for status in set(GOOD) & set(responses):
            told = {"schema": {"type": "string"}, "description": INSTRUMENT_TOLD}
            responses[status].setdefault("headers", {})["Tape-Instrument"] = told
    _put_examples(operation, f"{method.upper()} {path}", schemas)


GOOD = ("200", "201")
# reads that name a thing in their query
NAMED_IN_QUERY = ("/api/market/data", "/api/executions", "/api/tape/events", "/api/tape/stream")


def _errors(operation: Schema, path: str, method: str, opt: dict[str, Any]) -> list[str]:
    found = {"400", "403", "429", "500"}
    if not opt.get("public") or path.startswith("/api/auth/"):
        found.add("401")
    if "{" in path or method == "post" or path.startswith(NAMED_IN_QUERY):
        found.add("404")
    if method in ("post", "put", "delete"):
        found |= {"409", "413", "415"}  # whether or not a body is asked for
    if opt.get("later") or (path in ("/sessions/start", "/api/sessions", "/api/system/mode") and method == "post"):
        found.add("501")
    if not path.startswith(("/api/health", "/api/v1/health")):
        found.add("503")
    return sorted(found)


def _put_examples(operation: Schema, route: str, schemas: dict[str, Schema]) -> None:
    """Every body and every good answer in JSON has an example: the one that is written down, else a made one."""
    body = EXAMPLES.get(route)
    if body is not None and "requestBody" in operation:
        for content in operation["requestBody"]["content"].values():
            content["example"] = body
    for status in GOOD:
        content = operation["responses"].get(status, {}).get("content", {}).get("application/json")
        if content is not None:
            content["example"] = RESPONSES.get(route) or example_of(content["schema"], schemas)
