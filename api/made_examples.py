"""Examples of answers that nobody wrote one for, made of the description itself: each fits its schema."""

from __future__ import annotations

import re
from typing import Any

Schema = dict[str, Any]

DEPTH_MAX = 12  # of schemas within schemas; none of ours refers to itself
TIME = "2025-11-18T15:02:11Z"
ID = "01kb9x4c6s8e3d5r7t9v1w3y5z"
HASH = "719b108db20544a48d0023b4d123de08"
NONE = ("error", "reason", "next_offset", "stop_price", "difference")  # fields that mostly have nothing
# what a text is like by the name of its field, the first that fits
TEXTS: tuple[tuple[str, str], ...] = (
    (r".*(_at|At|_start|_end|_time|Time|_date|Date|time|timestamp|timestamps|date|since|Start|End|first|last)", TIME),
    (r".*hash", HASH),
    (r"side", "buy"),
    (r"state|status", "completed"),
    (r"session(_id)?|parent", "exec_20251118_150123_xyz789"),
    (r"symbols?", "BTC_USDT"),
    (r"base", "BTC"),
    (r"quote|currency", "USDT"),
    (r"exchange|provider_id|venue", "mexc"),
    (r"(strategy|strategies|kind|model)(_name)?", "ema_cross"),
    (r"(primary|additional)?[tT]imeframes?", "1h"),
    (r"recording", "rec_01hf"),
    (r"user|username|login|origin|mode_set_by", "trader"),
    (r"role", "trader"),
    (r".*token", "eyJ…"),
    (r"api_(key|secret)_hint", "abcd…wxyz"),
    (r"filename", "api.log"),
    (r"directory|modelDir", "models/2025-11-18"),
    (r"next_?[cC]ursor|cursor", "NDcxMQ"),
    (r"epoch", "3f6c1b7e"),
    (r".*(_id|Id|id|job)", ID),
)
NUMBERS: tuple[tuple[str, float], ...] = (
    (r".*(price|Price|open|high|low|close)(24h)?", 50_250.5),
    (r"(price|quantity)_step", 0.01),
    (r".*(equity|Equity|cash|capital|Balance|worth|global_cap|total_value)", 10_000.0),
    (r".*(ratio|Ratio|Rate|rate|percent|share|score|confidence|probability.*|progress|utilization)", 0.5),
    (r".*sequence", 4_711),
    (r"quantity|filled|volume.*", 0.02),
    (r".*(bytes|Bytes|Total|Used)", 1_048_576),
    (r"dropout|ppo|clipEpsilon", 0.1),
    (r"limit", 100),
    (r"offset|index|lane|code", 0),
)


def example_of(schema: Schema, schemas: dict[str, Schema], name: str = "", depth: int = DEPTH_MAX) -> Any:
    """A value that fits a schema; `schemas` are those it refers to, `name` is the field it stands in."""
    assert depth, "a schema refers to itself"
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name, depth - 1)
    for key in ("example", "const"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return next((one for one in schema["enum"] if one is not None), None)
    if "anyOf" in schema:
        none = {"type": "null"} in schema["anyOf"] and name in NONE
        chosen = next((one for one in schema["anyOf"] if (one.get("type") == "null") == none), schema["anyOf"][0])
        return example_of(chosen, schemas, name, depth - 1)
    if "allOf" in schema:
        return example_of(schema["allOf"][0], schemas, name, depth - 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    return _plain(kind, schema, schemas, name, depth)


def _plain(kind: str | None, schema: Schema, schemas: dict[str, Schema], name: str, depth: int) -> Any:
    match kind:
        case "object":
            parts = schema.get("properties", {})
            return {key: example_of(part, schemas, key, depth - 1) for key, part in parts.items()}
        case "array":
            firsts = schema.get("prefixItems", [])
            if firsts:
                return [example_of(one, schemas, name, depth - 1) for one in firsts]
            items = schema.get("items") or {}
            return [example_of(items, schemas, name, depth - 1)] * max(1, schema.get("minItems", 1)) if items else []
        case "string":
            return schema.get("default") or _named(TEXTS, name) or name or "text"
        case "integer":
            return round(_number(schema, name, 1))
        case "number":
            return float(_number(schema, name, 1.0))
        case "boolean":
            return bool(schema.get("default", True))
        case _:
            return None


def _number(schema: Schema, name: str, otherwise: float) -> float:
    """A number within the bounds of a schema."""
    found = _named(NUMBERS, name)
    value: float = otherwise if found is None else found
    low, high = schema.get("minimum"), schema.get("maximum")
    if high is not None and value > high:
        value = high
    if low is not None and value < low:
        value = low
    return value


def _named(table: tuple[tuple[str, Any], ...], name: str) -> Any:
    return next((value for pattern, value in table if re.fullmatch(pattern, name)), None)
