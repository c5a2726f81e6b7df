"""What a strategy is: its words, its bounded parameters, its state record and its kernel.

A strategy is one file with one `STRATEGY = Strategy(...)`. `docs/decision-loop.md` has the kernel contract.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import inspect

from events.errors import InvalidInput
from events.misfits import misfit
from events.rows import MarketKind, Rows

TRADES = 1 << MarketKind.TRADE
QUOTES = 1 << MarketKind.BID | 1 << MarketKind.ASK
BOOK = 1 << MarketKind.BOOK_SET | 1 << MarketKind.BOOK_DELETE
CLOCK = 1 << MarketKind.CLOCK

Kernel = Callable[[Any, Any, Any, Any, Any, Any], int]
Value = float | int | bool
# (all parameters, length of a bar in ns) -> why the kernel never signals on such bars; "": it may
Unseen = Callable[[Mapping[str, Value], int], str]

_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a strategy as its `Params` struct declares it."""

    name: str
    kind: Literal["float", "int", "bool"]
    default: Value
    minimum: float | None
    maximum: float | None
    description: str  # with the unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A registered strategy.

    `params` is a frozen msgspec struct of float, int and bool fields, each with a default; `state` the dtype of the
    kernel's own record, zeroed at the start; `kinds` the market kinds its kernel is called on (bit k for kind k);
    `unseen` tells which bars cannot show what it looks for. `typical_strength` is a strength as its signals have it,
    in the unit of their strengths: one that scores a half. It words signals and takes no part in a decision.

    Raises:
        InvalidInput: an id that is no lower-case word, a parameter of another type or without a default, a typical
            strength that is not above 0.
    """

    id: str
    name: str
    description: str
    params: type[msgspec.Struct]
    state: np.dtype
    kernel: Kernel
    direction: Literal["both", "long", "short"] = "both"
    category: str = "trend"
    tags: tuple[str, ...] = ()
    kinds: int = TRADES
    unseen: Unseen | None = None
    typical_strength: float = 1.0

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise InvalidInput(f"Strategy id {self.id!r} is not a word of a-z, 0-9 and _.", field="id")
        if self.state.names is None:
            raise InvalidInput(f"State of strategy {self.id} is not a structured dtype.", field="state")
        if not 0.0 < self.typical_strength < math.inf:
            raise InvalidInput(
                f"typical_strength of strategy {self.id} is {self.typical_strength}; it must be above 0 and finite.",
                field="typical_strength",
            )
        self.parameters()

    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters in the order of the struct."""
        kind = inspect.type_info(self.params)
        assert isinstance(kind, inspect.StructType)
        return tuple(_parameter(self.id, field) for field in kind.fields)

    def resolve(self, values: Mapping[str, object]) -> dict[str, Value]:
        """All parameters: those given, the defaults for the others.

        Raises:
            InvalidInput: an unknown name, a wrong type, a value out of bounds or not finite; `field` is its name.
        """
        for name, value in values.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise InvalidInput(
                    f"Parameter {name} of {self.id} is {value}.", field=name, hint="Give a finite number."
                )
        try:
            params = msgspec.convert(dict(values), self.params)
        except msgspec.ValidationError as error:
            found = misfit(error, self.params)
            told = found.sentence("") if found.field else f"{found.reason}."  # the second: what two of them break
            raise InvalidInput(f"Strategy {self.id}: {told}", field=found.field or None) from None
        return msgspec.structs.asdict(params)

    def params_dtype(self) -> np.dtype:
        """The packed record a kernel reads: float -> f8, int -> i8, bool -> i1; one pad where there are none."""
        kinds = {"float": "<f8", "int": "<i8", "bool": "i1"}
        fields = [(parameter.name, kinds[parameter.kind]) for parameter in self.parameters()]
        return np.dtype(fields or [("pad", "<i8")])

    def params_row(self, values: Mapping[str, object]) -> Rows:
        """The packed parameters, shape (1,).

        Raises:
            InvalidInput: as `resolve`.
        """
        row = np.zeros(1, self.params_dtype())
        for name, value in self.resolve(values).items():
            row[name] = value
        return row


def _parameter(strategy: str, field: inspect.Field) -> Parameter:
    kind, description = field.type, ""
    if isinstance(kind, inspect.Metadata):
        description = str((kind.extra_json_schema or {}).get("description", ""))
        kind = kind.type
    name = {inspect.FloatType: "float", inspect.IntType: "int", inspect.BoolType: "bool"}.get(type(kind))
    if name is None:
        raise InvalidInput(f"Parameter {field.name} of strategy {strategy} is no float, int or bool.", field=field.name)
    if field.default is msgspec.NODEFAULT:
        raise InvalidInput(f"Parameter {field.name} of strategy {strategy} has no default.", field=field.name)
    return Parameter(
        name=field.name,
        kind=name,  # type: ignore[arg-type]
        default=field.default,
        minimum=_bound(kind, "ge", "gt"),
        maximum=_bound(kind, "le", "lt"),
        description=description,
    )


def _bound(kind: inspect.Type, *names: str) -> float | None:
    for name in names:
        value = getattr(kind, name, None)
        if value is not None:
            return float(value)
    return None
