"""One self-contained module out of functions that lie in many files: everything they call, every constant, inlined.

numba neither caches a closure over a dispatcher nor notices that an imported kernel was edited. A module that holds all
it needs, named by the hash of it, has neither fault. The text is normalised (no comments, docstrings, annotations), so
a change of words is no change of code.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import math
import textwrap
from collections.abc import Callable, Iterable
from enum import Enum
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from events.errors import InvalidInput

ALLOWED_MODULES = {"math": math, "np": np}
ALLOWED_BUILTINS = frozenset({"abs", "bool", "float", "int", "len", "max", "min", "range", "round"})
FORBIDDEN = (
    ast.Raise, ast.Assert, ast.Try, ast.With, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Lambda,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Yield, ast.YieldFrom, ast.Await, ast.ClassDef,
    ast.AsyncFunctionDef, ast.JoinedStr, ast.Dict, ast.Set, ast.Delete,
)  # fmt: skip


def plain(function: Callable[..., Any]) -> FunctionType:
    """The Python function behind a numba dispatcher, or the function itself.

    Raises:
        InvalidInput: it is neither.
    """
    found = getattr(function, "py_func", function)
    if not isinstance(found, FunctionType):
        raise InvalidInput(f"{function!r} is no function that a loop can inline.")
    return found


class Inliner:
    """Collects functions under unique names; `text` is the module's body, callees first.

    `replaced`: functions that the module has by other means; `decorator`: what stands above each function.
    """

    def __init__(self, replaced: dict[Any, str] | None = None, decorator: str = "compiled") -> None:
        self._decorator = decorator
        self._names: dict[Any, str] = dict(replaced or {})
        self._texts: list[str] = []
        self._taken = set(self._names.values())

    def add(self, function: Callable[..., Any], name: str | None = None) -> str:
        """Inline a function and all it calls; give its name in the module.

        Raises:
            InvalidInput: it uses what a decision may not use; the message says what and where.
        """
        found = plain(function)
        if found in self._names:
            return self._names[found]
        unique = self._unique(name or found.__name__)
        self._names[found] = unique
        tree = _definition(found)
        _refuse(found, tree)
        tree.name = unique
        body = _Resolver(found, self).visit(tree)
        self._texts.append(f"@{self._decorator}\n" + ast.unparse(ast.fix_missing_locations(body)))
        return unique

    def replace(self, function: Callable[..., Any], name: str) -> None:
        """From now on, call a function of the module instead of this one."""
        self._names[plain(function)] = name

    def given(self, value: object) -> str | None:
        """The name of something the module has by other means."""
        try:
            return self._names.get(value)
        except TypeError:  # unhashable
            return None

    def text(self) -> str:
        """The functions, each behind those it calls."""
        return "\n\n".join(self._texts) + "\n"

    def put(self, text: str) -> None:
        """Add source that was written for this module."""
        self._texts.append(text)

    def _unique(self, name: str) -> str:
        number, unique = 1, name
        while unique in self._taken:
            number += 1
            unique = f"{name}_{number}"
        self._taken.add(unique)
        return unique


class _Resolver(ast.NodeTransformer):
    """Turns the globals a function uses into literals and names of the module."""

    def __init__(self, function: FunctionType, inliner: Inliner) -> None:
        self._function = function
        self._inliner = inliner
        self._locals = set(function.__code__.co_varnames)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list = []
        node.returns = None
        for argument in node.args.args:
            argument.annotation = None
        if node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.visit(ast.Assign(targets=[node.target], value=node.value))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id not in self._locals:
            owner = self._function.__globals__.get(node.value.id)
            if isinstance(owner, type) and issubclass(owner, Enum):
                return _literal(self._function, getattr(owner, node.attr), node.attr)
            if isinstance(owner, ModuleType):
                return self._of_module(node, owner)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self._locals:
            return node
        if node.id in self._function.__globals__:
            value = self._function.__globals__[node.id]
            if given := self._inliner.given(value):
                return ast.Name(given, ast.Load())
            if callable(value) and (hasattr(value, "py_func") or isinstance(value, FunctionType)):
                return ast.Name(self._inliner.add(value), ast.Load())
            return _literal(self._function, value, node.id)
        if node.id in ALLOWED_BUILTINS and hasattr(builtins, node.id):
            return node
        raise _refusal(self._function, f"uses {node.id}", node)

    def _of_module(self, node: ast.Attribute, owner: ModuleType) -> ast.AST:
        for alias, module in ALLOWED_MODULES.items():
            if owner is module and node.attr != "random":
                return ast.Attribute(ast.Name(alias, ast.Load()), node.attr, ast.Load())
        value = getattr(owner, node.attr, None)
        if callable(value) and owner.__name__.split(".")[0] in {"engine", "events"}:
            return ast.Name(self._inliner.add(value), ast.Load())
        raise _refusal(self._function, f"uses {owner.__name__}.{node.attr}", node)


def _definition(function: FunctionType) -> ast.FunctionDef:
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        raise InvalidInput(f"The source of {function.__qualname__} cannot be read.") from None
    tree = ast.parse(text).body[0]
    if not isinstance(tree, ast.FunctionDef) or function.__closure__:
        raise InvalidInput(f"{function.__qualname__} is no function at the top of its module.")
    return tree


def _refuse(function: FunctionType, tree: ast.FunctionDef) -> None:
    for node in ast.walk(tree):
        inner = isinstance(node, ast.FunctionDef) and node is not tree
        if inner or isinstance(node, FORBIDDEN):
            raise _refusal(function, f"has a {type(node).__name__}", node)


def _literal(function: FunctionType, value: object, name: str) -> ast.AST:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, np.integer | np.floating | np.bool_):
        value = value.item()
    if isinstance(value, bool | int):
        return ast.Constant(value)
    if isinstance(value, float):
        return ast.parse(_float_text(value), mode="eval").body
    kind = type(value).__name__
    raise _refusal(function, f"uses {name}, a {kind}; only numbers, functions and math are allowed", None)


def _float_text(value: float) -> str:
    if math.isnan(value):
        return "math.nan"
    if math.isinf(value):
        return "math.inf" if value > 0 else "-math.inf"
    return repr(value)


def _refusal(function: FunctionType, what: str, node: ast.AST | None) -> InvalidInput:
    line = function.__code__.co_firstlineno + (getattr(node, "lineno", 1) - 1 if node else 0)
    return InvalidInput(
        f"{function.__qualname__} {what} ({function.__code__.co_filename}:{line}).",
        field="kernel",
        hint="Kernels decide from rows, records and numbers alone: no objects, errors, clock, chance or files.",
    )


def inlined(functions: Iterable[Callable[..., Any]]) -> str:
    """The module body of some functions under their own names."""
    inliner = Inliner()
    for function in functions:
        inliner.add(function)
    return inliner.text()
