"""The processes of a house by name. Each is imported only where it runs: the seal needs little and starts at once."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from typing import cast

from api.settings import Settings

PLACES = {  # module:function
    "seal": "api.processes.seal:seal",
    "engine": "api.processes.roles:engine",
    "worker": "api.processes.roles:worker",
    "projector": "api.processes.roles:projector",
    "api": "api.processes.roles:api",
}
Role = Callable[[Settings, str], Awaitable[None]]


def role(name: str) -> Role:
    """What a process of this role does until it is told to stop; it is given the settings and its own name."""
    module, _, function = PLACES[name].partition(":")
    return cast(Role, getattr(importlib.import_module(module), function))
