"""`tapedeck strategies`: what can be run, and with which parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from api.cli.telling import json_option, say, say_json, say_table
from api.settings import Settings

if TYPE_CHECKING:
    from engine.strategies.strategy import Parameter, Strategy


@click.command("strategies", epilog="Example: `tapedeck strategies ema_cross`")
@click.argument("strategy", required=False)
@json_option
@click.pass_obj
def strategies(settings: Settings, strategy: str | None, as_json: bool) -> None:
    """List strategies, or show one with its parameters.

    Built-in ones and those of the folder `engine.strategies` of the settings.
    """
    from api.cli.registered import registry_of

    registry = registry_of(settings)
    found = [registry[strategy]] if strategy is not None else list(registry.values())
    if as_json:
        say_json([_body(one) for one in found])
    elif strategy:
        _show(found[0])
    else:
        rows = [(one.id, one.direction, one.category, one.description) for one in found]
        say_table(("strategy", "direction", "category", "description"), rows)


def _show(one: Strategy) -> None:
    say(f"{one.id}: {one.name}, {one.direction}, {one.category}")
    say(one.description)
    rows = [
        (p.name, _number(p.default), _number(p.minimum), _number(p.maximum), p.description) for p in one.parameters()
    ]
    say_table(("parameter", "default>", "from>", "to>", "meaning"), rows)


def _number(value: float | int | bool | None) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else f"{value:.12g}"


def _body(one: Strategy) -> dict[str, Any]:
    return {
        "strategy": one.id,
        "name": one.name,
        "description": one.description,
        "direction": one.direction,
        "category": one.category,
        "tags": one.tags,
        "parameters": [_parameter(parameter) for parameter in one.parameters()],
    }


def _parameter(one: Parameter) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "default": one.default,
        "minimum": one.minimum,
        "maximum": one.maximum,
        "description": one.description,
    }
