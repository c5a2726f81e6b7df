"""Named points of the processes' code at which a test kills them with SIGKILL, before or after the function runs.

`tests/faults/at_start` has every interpreter of a test's house load this. It changes nothing until a test writes a
point's name into the file of its role; the process that reaches the point deletes the file, and is gone.
"""

from __future__ import annotations

import functools
import inspect
import os
import signal
import sys
from collections.abc import Callable
from importlib import util
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

FOLDER = "KILL_POINTS"  # environment variable: where the files of the roles are

# role -> functions at whose begin and end everything must be safe
POINTS: dict[str, tuple[str, ...]] = {
    "engine": (
        "engine.sessions.host:Host._append_outcome",  # the answer to a start, with the session's first fact
        "engine.sessions.host:Host._take",  # the claim
        "engine.sessions.runner:Runner._carry_out",  # a command's answer, and what follows from it
        "events.writer:FencedWriter._send",  # a decision: sent, stored, confirmed
        "engine.sessions.snapshots:save",
        "engine.sessions.runner:Runner._end",  # the last decisions, the result, the snapshots' end
    ),
    "worker": (
        "engine.sessions.host:Host._take",
        "events.writer:FencedWriter._send",
        "engine.sessions.runner:Runner._end",
    ),
    "projector": (
        "projections.market_projection:MarketProjection.apply",
        "projections.market_projection:MarketProjection._move",  # rows are in the store, the place is not
    ),
    "api": (
        "api.services.commands:Commands.send",  # a command: asked for, on the tape, answered
        "projections.duckdb.read_model:DuckReadModel.apply",
    ),
    "seal": (
        "events.seal.sealer:Sealer._write",  # a point of the chain
        "events.seal.sealer:Sealer._prove",  # the proof of a closed file
    ),
}
MOMENTS = ("before", "after")


def role() -> str:
    """Of this process: `python -m api.cli run ROLE`; empty where it has none."""
    words = sys.orig_argv
    return words[words.index("run") + 1] if "run" in words[:-1] else ""


def reached(point: str, moment: str) -> None:
    """Die here if a test asks for it."""
    asked = Path(os.environ[FOLDER]) / role()
    try:
        if asked.read_text() != f"{point} {moment}":
            return
        asked.unlink()
    except OSError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def watched(function: Callable[..., Any], point: str) -> Callable[..., Any]:
    """The function, with its two points."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def waited(*arguments: Any, **named: Any) -> Any:
            reached(point, "before")
            found = await function(*arguments, **named)
            reached(point, "after")
            return found

        return waited

    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        reached(point, "before")
        found = function(*arguments, **named)
        reached(point, "after")
        return found

    return called


class Watching(MetaPathFinder):
    """Puts the points of this process's role into the modules that have them, as they are imported."""

    def __init__(self, points: tuple[str, ...]) -> None:
        self._names: dict[str, list[str]] = {}
        for point in points:
            module, _, name = point.partition(":")
            self._names.setdefault(module, []).append(name)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """See `MetaPathFinder`."""
        names = self._names.pop(fullname, None)
        spec = util.find_spec(fullname) if names else None
        if names and spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def execute(module: Any) -> None:
                run(module)
                for name in names:
                    *owners, last = name.split(".")
                    owner = functools.reduce(getattr, owners, module)
                    setattr(owner, last, watched(getattr(owner, last), f"{fullname}:{name}"))

            spec.loader.exec_module = execute  # type: ignore[method-assign]
        return spec


def install() -> None:
    """Watch the points of this process, if it is one of a house of a test."""
    if os.environ.get(FOLDER) and role() in POINTS:
        sys.meta_path.insert(0, Watching(POINTS[role()]))
