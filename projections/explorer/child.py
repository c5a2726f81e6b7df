"""The process that asks a copy: it has no environment, little memory, and is ended when it takes too long.

Run as a file of its own, so that it imports nothing of ours. Requests and answers are JSON behind four bytes of
length, on the standard streams. Over `:memory:` it has nothing to ask, and only checks.
"""

from __future__ import annotations

import datetime
import decimal
import os
import re
import resource
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import msgspec

EMPTY = ":memory:"  # instead of the path of a copy
ADDRESS_BYTES = 1_610_612_736
CPU_SECONDS = 4  # of one query: for when whoever ends it has died itself
DEPTH_MAX = 100  # of an expression
FETCHED = 64
MESSAGE_MAX = 600

CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": "256MB",
    "temp_directory": "",
    "threads": 1,
    "max_expression_depth": DEPTH_MAX,
}

# --- what may be asked --------------------------------------------------------------------------------------------

NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree"})
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
# functions that speak of the server, its files and settings, change something, or run text as a statement
FUNCTIONS = re.compile(
    r"pg_(?!typeof\Z)|has_\w*privilege|duckdb_|pragma_|parse_duckdb_|json_(de)?serialize|current_(?!date|time|local)|"
    r"(session_user|user|getvariable|getenv|nextval|currval|txid_current|write_log|sleep_ms|in_search_path|version|"
    r"inet_\w+|setval|query|query_table|which_secret|stats|get_block_size|format_pg_type|map_to_pg_oid|setseed|read_\w+|glob)\Z",
    re.IGNORECASE,
)
# words without parentheses that the binder takes for such functions
WORDS = re.compile(r"(current_(catalog|database|schema|user|role)|session_user)\Z", re.IGNORECASE)


class Refused(Exception):
    """The statement is not one that is answered here."""


def check(connection: duckdb.DuckDBPyConnection, text: str, known: frozenset[str]) -> str:
    """The statement, when it is one SELECT on the views and on what it makes itself. Raises Refused."""
    statements = connection.extract_statements(text)
    if len(statements) != 1:
        raise Refused(f"These are {len(statements)} statements; send exactly one SELECT.")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise Refused(f"Only SELECT is answered here, and this is {statements[0].type.name}.")
    found = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    tree = msgspec.json.decode(found[0] if found else b"{}")
    if tree.get("error", True):
        raise Refused(f"Only a plain SELECT is answered here: {tree.get('error_message', 'it is not read')}")
    parts = list(_parts(tree))
    made = {name for part in parts for name in _made(part)}
    for part in parts:
        _check_part(part, frozenset(made) | known)
    return text


def _parts(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Every object of a tree, without recursion: a tree may be deep."""
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _made(part: Mapping[str, Any]) -> list[str]:
    """Names of the common table expressions of a node. Raises Refused."""
    names = [one["key"] for one in (part.get("cte_map") or {}).get("map", ())]
    names += [part["cte_name"]] if part.get("type") == "CTE_NODE" else []
    for name in names:
        if not NAME.match(name) or re.match(r"duckdb_|pg_|pragma_|sqlite_", name, re.IGNORECASE):
            raise Refused(f"{name[:64]!r} cannot be the name of a WITH.")
    return [name.lower() for name in names]


def _check_part(part: Mapping[str, Any], names: frozenset[str]) -> None:
    kind = part.get("type")
    if not isinstance(kind, str):
        return
    if kind.endswith("_NODE") and kind not in NODES:
        raise Refused("Only SELECT is answered here.")
    if kind == "SHOW_REF":
        raise Refused("Only SELECT is answered here; the views and their columns are in the documentation.")
    if kind == "BASE_TABLE":
        _check_table(part, names)
    elif kind == "TABLE_FUNCTION":
        name = str(part["function"]["function_name"])
        if name.lower() not in TABLE_FUNCTIONS or _path(part["function"]) > 1:
            raise Refused(f"The table function {name[:64]!r} is not part of the explorer.")
    elif part.get("class") == "FUNCTION" and FUNCTIONS.match(str(part["function_name"])):
        raise Refused(f"The function {part['function_name'][:64]!r} is not part of the explorer.")
    elif part.get("class") == "COLUMN_REF" and WORDS.match(str(part["column_names"][-1])):
        raise Refused(f"The function {part['column_names'][-1][:64]!r} is not part of the explorer.")


def _check_table(part: Mapping[str, Any], names: frozenset[str]) -> None:
    name = str(part["table_name"])
    if name.lower() not in names or _path(part) > 1 or part.get("at_clause"):
        raise Refused(f"There is no view {name[:64]!r}; there are {', '.join(sorted(names))[:400]}.")


def _path(part: Mapping[str, Any]) -> int:
    """How many names stand in a name: 1 where neither a database nor a schema is in front."""
    named = any(part.get(key) for key in ("catalog_name", "catalog", "schema_name", "schema"))
    return max(len(part["qualified_name"]["path"]), 2 if named else 1)


# --- what is answered ---------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value as JSON has it: what is no number, and what no double or 64 bits hold, as null or text."""
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, (str, bool)) or value is None:
        return value
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        whole = value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value.astimezone(datetime.UTC)
        return whole.isoformat().replace("+00:00", "Z")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return f"{value.total_seconds():g} s"
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    return format(value, "f") if isinstance(value, decimal.Decimal) else str(value)


def answer(connection: duckdb.DuckDBPyConnection, text: str, rows_max: int, bytes_max: int) -> dict[str, Any]:
    """Columns and the first rows of what a statement finds."""
    result = connection.execute(text)
    columns = [{"name": one[0], "type": str(one[1])} for one in result.description or ()]
    rows: list[msgspec.Raw] = []
    size = len(msgspec.json.encode(columns))
    if size > bytes_max:
        raise Refused(f"The answer has {len(columns)} columns, which are over {bytes_max} bytes.")
    while len(rows) <= rows_max and (found := result.fetchmany(FETCHED)):
        for row in found:
            encoded = msgspec.json.encode(plain(row))
            size += len(encoded) + 1
            if size > bytes_max or len(rows) == rows_max:
                return {"columns": columns, "rows": rows, "truncated": True}
            rows.append(msgspec.Raw(encoded))
    return {"columns": columns, "rows": rows, "truncated": False}


def respond(connection: duckdb.DuckDBPyConnection, request: Mapping[str, Any], folder: str) -> bytes:
    """The answer to a request, or why there is none."""
    try:
        text = check(connection, request["sql"], frozenset(request["views"]))
        if request["checks"]:
            return msgspec.json.encode({})
        return msgspec.json.encode(answer(connection, text, request["rows_max"], request["bytes_max"]))
    except Refused as error:
        return msgspec.json.encode({"refused": str(error), "code": "QUERY_NOT_ALLOWED"})
    except (MemoryError, RecursionError, duckdb.OutOfMemoryException):
        return msgspec.json.encode({"refused": "The query needs more memory than it may have.", "code": ""})
    except (duckdb.Error, UnicodeError, ValueError, OverflowError, RuntimeError) as error:
        message = (str(error).replace(folder, "") if folder else str(error)).replace("\x00", " ")[:MESSAGE_MAX].strip()
        return msgspec.json.encode({"refused": message or type(error).__name__, "code": "QUERY_FAILED"})


# --- the process --------------------------------------------------------------------------------------------------


def confine() -> None:
    """No file is written, no core is left, memory has an end."""
    for what, bound in (
        (resource.RLIMIT_AS, ADDRESS_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        resource.setrlimit(what, (bound, bound))


def _read(stream: BinaryIO) -> bytes | None:
    head = stream.read(4)
    if len(head) < 4:
        return None
    return stream.read(struct.unpack(">I", head)[0])


def _write(stream: BinaryIO, data: bytes) -> None:
    stream.write(struct.pack(">I", len(data)) + data)
    stream.flush()


def main() -> None:
    """Answer until the other side is gone."""
    path, empty = Path(sys.argv[1]), sys.argv[1] == EMPTY
    os.nice(5)
    confine()
    connection = duckdb.connect(str(path), read_only=not empty, config=CONFIG)
    folder = "" if empty else str(path.parent)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
    _write(sys.stdout.buffer, b"{}")
    while (data := _read(sys.stdin.buffer)) is not None:
        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        resource.setrlimit(resource.RLIMIT_CPU, (int(used) + CPU_SECONDS, resource.RLIM_INFINITY))
        _write(sys.stdout.buffer, respond(connection, msgspec.json.decode(data), folder))


if __name__ == "__main__":
    main()
