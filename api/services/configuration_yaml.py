"""The configuration as YAML: written for an export, read for an import and from the file of the settings."""

from __future__ import annotations

import re
from typing import Any

import yaml

from engine.configuration.changes import DOCUMENT_BYTES_MAX, Values, nested
from events.errors import InvalidInput


class _Loader(yaml.SafeLoader):
    """Safe, takes `1e-4` for the number that its writer meant, and no name twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As every loader, but that a later value does not silently replace an earlier one."""
        met: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in met:
                raise yaml.MarkedYAMLError(problem=f"{key.value[:64]!r} stands twice", problem_mark=key.start_mark)
            met.add(str(key.value) if isinstance(key, yaml.ScalarNode) else "")
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+\Z"), list("-+0123456789")
)


def written(values: Values) -> str:
    """Sections with their values."""
    return yaml.safe_dump(nested(values), sort_keys=False, default_flow_style=None)


def parsed(text: str, field: str) -> Any:
    """What a document holds; an empty one holds no section.

    Raises:
        InvalidInput: longer than `DOCUMENT_BYTES_MAX`, or no YAML.
    """
    if len(text.encode("utf-8", "replace")) > DOCUMENT_BYTES_MAX:
        raise InvalidInput(f"The document must be at most {DOCUMENT_BYTES_MAX} bytes.", field=field)
    try:
        found = yaml.load(text, Loader=_Loader)  # a subclass of SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise InvalidInput(f"The document is no YAML: {_said(error)}.", field=field) from None
    return {} if found is None else found


def _said(error: Exception) -> str:
    """What is wrong, and where, without the line itself: it may hold what is for no log."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark, words = error.problem_mark, [error.context, error.problem]
        return f"line {mark.line + 1}, column {mark.column + 1}: {', '.join(one for one in words if one)}"[:300]
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return "it has a character or a value that cannot be read"
