"""Which strategies there are: one file each, here and in a folder of the user's own.

A file of the user's folder is loaded under a module name made of its content, so an edited file is another module.
Files whose name starts with `_` are left out.
"""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from types import ModuleType

import engine.strategies
from engine.loop.probe import ensure_probed
from engine.strategies.strategy import Strategy
from events.errors import InvalidInput, Unknown

USER_FILES_MAX = 256  # strategy files in the user's folder


class Registry(Mapping[str, Strategy]):
    """The strategies by id, in order of id."""

    def __init__(self, strategies: Mapping[str, Strategy]) -> None:
        self._strategies = dict(sorted(strategies.items()))
        self.typical_strengths = {name: one.typical_strength for name, one in self._strategies.items()}

    def __getitem__(self, strategy: str) -> Strategy:
        """One strategy.

        Raises:
            Unknown: there is none of this id.
        """
        try:
            return self._strategies[strategy]
        except KeyError:
            raise Unknown(
                f"There is no strategy {strategy!r}.",
                field="strategy",
                hint=f"There are {', '.join(self._strategies)}.",
            ) from None

    def __contains__(self, strategy: object) -> bool:
        return strategy in self._strategies

    def __iter__(self) -> Iterator[str]:
        return iter(self._strategies)

    def __len__(self) -> int:
        return len(self._strategies)


def discover(folder: Path | None = None) -> Registry:
    """The built-in strategies and those of the user's `folder`.

    Raises:
        InvalidInput: the folder is missing or too full, a file cannot be loaded, its kernel is refused by the probe,
            or an id is there twice.
    """
    found: dict[str, Strategy] = {}
    for module in _built_in():
        _add(found, module)
    for path in _user_files(folder) if folder else ():
        module = load(path)
        ensure_probed(path, module.STRATEGY)
        _add(found, module)
    return Registry(found)


def load(path: Path) -> ModuleType:
    """The module of one strategy file.

    Raises:
        InvalidInput: it cannot be read or run, or holds no `STRATEGY`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"Strategy file {path} cannot be read: {error}.", field="strategies_folder") from None
    name = f"tapedeck_strategies.{path.stem}_{blake2b(content, digest_size=8).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    shown = f"{path}#{name[-16:]}"  # the text that runs is the text a loop inlines, even if the file is edited now
    linecache.cache[shown] = (len(content), None, content.decode(errors="replace").splitlines(keepends=True), shown)
    try:
        exec(compile(content, shown, "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[name]
        raise InvalidInput(
            f"Strategy file {path} fails: {type(error).__name__}: {error}.", field="strategies_folder"
        ) from error
    if not isinstance(getattr(module, "STRATEGY", None), Strategy):
        del sys.modules[name]
        raise InvalidInput(f"Strategy file {path} has no STRATEGY = Strategy(...).", field="strategies_folder")
    return module


def _built_in() -> Iterator[ModuleType]:
    for info in sorted(pkgutil.iter_modules(engine.strategies.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"engine.strategies.{info.name}")
        if isinstance(getattr(module, "STRATEGY", None), Strategy):
            yield module


def _user_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InvalidInput(f"The strategies folder {folder} is no folder.", field="strategies_folder")
    files = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    if len(files) > USER_FILES_MAX:
        raise InvalidInput(
            f"The strategies folder {folder} has {len(files)} files, over {USER_FILES_MAX}.", field="strategies_folder"
        )
    return files


def _add(found: dict[str, Strategy], module: ModuleType) -> None:
    strategy = module.STRATEGY
    if strategy.id in found:
        raise InvalidInput(f"Two strategies have the id {strategy.id!r}; the second is {module.__file__}.", field="id")
    found[strategy.id] = strategy
