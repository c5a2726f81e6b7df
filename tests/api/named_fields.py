"""Whether an error names something that a request has: a parameter of its route, or a field of its body."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec

Schema = dict[str, Any]

# headers that any request may have
HEADERS = {"Host", "Origin", "Sec-Fetch-Site", "Authorization", "X-CSRF-Token", "Content-Type"}
NAME_CHARACTERS = 64  # of a parameter that is not known, as the answer shows it
DOCUMENTS = ("content",)  # fields whose text is a document: its keys stand behind theirs

_STEP = re.compile(r"[^.\[\]]+")


class NamedFields:
    """Knows the routes by the description of the API."""

    def __init__(self, description: dict[str, Any]) -> None:
        self._schemas: dict[str, Schema] = description["components"]["schemas"]
        self._routes = [
            (re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path)) + "/?"), methods)
            for path, methods in sorted(description["paths"].items(), key=lambda item: item[0].count("{"))
        ]

    def strange(self, method: str, url: str, content: bytes, answer: bytes) -> list[str]:
        """Fields that an error names and neither the route nor the request has."""
        path, _, query = url.partition("?")
        told = next((one for pattern, one in self._routes if pattern.fullmatch(path)), {}).get(method.lower())
        fields = named_by(answer)
        if told is None or not fields:
            return []
        names = HEADERS | {one for parameter in told.get("parameters", []) for one in _names(parameter)}
        given = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
        names |= {*given, *(name[:NAME_CHARACTERS] for name in given)}
        bodies = [one["schema"] for one in told.get("requestBody", {}).get("content", {}).values()]
        names |= {"body", *_keys(content)} if bodies else set()
        return [one for one in fields if one not in names and not any(self._has(body, one) for body in bodies)]

    def _has(self, schema: Schema, field: str) -> bool:
        found = [schema]
        for step in _STEP.findall(field):
            found = [inside for one in found for inside in self._inside(one, step)]
        return bool(found)

    def _inside(self, schema: Schema, step: str) -> Iterator[Schema]:
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rsplit("/", 1)[-1]]
        for part in (one for kind in ("oneOf", "anyOf", "allOf") for one in schema.get(kind, [])):
            yield from self._inside(part, step)
        if step.isdecimal() or step == "*":
            yield from (one for one in (schema.get("items"), *schema.get("prefixItems", [])) if isinstance(one, dict))
        if step in schema.get("properties", {}):
            yield {} if step in DOCUMENTS else schema["properties"][step]
        elif schema.get("type") == "object" and "properties" not in schema:
            more = schema.get("additionalProperties")
            yield more if isinstance(more, dict) and more else schema
        elif not schema:
            yield schema


def _names(parameter: Schema) -> Iterator[str]:
    """What a parameter is called: one of a path as the contracts have it too, `id` or `resultId`."""
    name = parameter["name"]
    yield name
    if parameter["in"] == "path":
        first, *others = name.split("_")
        yield first + "".join(one.title() for one in others)
        yield "id" if others[-1:] == ["id"] else name


def named_by(answer: bytes) -> list[str]:
    """The fields that an error's body names, in either of its two forms."""
    try:
        body = msgspec.json.decode(answer)
    except msgspec.DecodeError:
        return []
    if not isinstance(body, dict):
        return []
    if isinstance(body.get("error"), dict):
        return list(body["error"].get("details") or {})
    if "error_code" not in body:
        return []
    return list(dict.fromkeys([*([body["field"]] if body.get("field") else []), *(body.get("fields") or {})]))


def _keys(content: bytes) -> set[str]:
    """Dotted names of all that a body has, so that what it should not have may be named."""
    try:
        return set(_dotted(msgspec.json.decode(content), ""))
    except (msgspec.DecodeError, RecursionError):  # its first unknown field may be named before it breaks off
        return set(re.findall(r'"([^"\\]*)"', content.decode(errors="replace")))


def _dotted(value: Any, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inside in value.items():
            here = f"{at}.{name}" if at else name
            yield here[:200]
            yield from _dotted(inside, here)
    elif isinstance(value, list):
        for number, inside in enumerate(value):
            yield f"{at}[{number}]"
            yield from _dotted(inside, f"{at}[{number}]")


def hook(fields: NamedFields) -> Callable[[httpx.Response], Awaitable[None]]:
    """For a client whose every error is to name what the request has."""

    async def check(answer: httpx.Response) -> None:
        if answer.status_code < 400:
            return
        asked = answer.request
        url = asked.url.raw_path.decode()
        strange = fields.strange(asked.method, url, asked.content, await answer.aread())
        assert not strange, f"{asked.method} {url} {asked.content[:500]!r} names {strange}: {answer.text[:500]}"

    return check


async def watch(client: httpx.AsyncClient) -> None:
    """Hold every error that a client is answered to it."""
    fields = NamedFields((await client.get("/docs/openapi.json")).json())
    client.event_hooks = {"response": [*client.event_hooks["response"], hook(fields)]}
