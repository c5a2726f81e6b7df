"""`make setup`: everything a fresh machine needs, each step once. Repeating it costs nothing where nothing changed."""

from __future__ import annotations

import argparse
import sys
import time

OLDEST_PYTHON = (3, 11)


def main(arguments: list[str]) -> int:
    """Run the steps; 0 when ready, 1 with one clear line when not, 130 when stopped by the user."""
    if sys.version_info < OLDEST_PYTHON:
        print(f"Python 3.11 or later is needed, this is {sys.version.split()[0]}. Say make PYTHON=/path/to/python3.11")
        return 1
    from scripts.console import Trouble

    parser = argparse.ArgumentParser(prog="make setup", description=__doc__)
    parser.add_argument("--dev", action="store_true", help="also what tests and checks need")
    parser.add_argument("--without-project", action="store_true", help="only what is downloaded (a layer of the image)")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    try:
        set_up("dev" if options.dev else "run", with_project=not options.without_project)
    except Trouble as trouble:
        print(f"\nset-up stopped: {trouble}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\nset-up stopped: {error.filename or 'the system'}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up stopped by you; the same command goes on from here", file=sys.stderr)
        return 130
    print(f"  {'ready':<12}({time.perf_counter() - began:.1f} s)")
    return 0


def set_up(kind: str, *, with_project: bool = True) -> None:
    """The steps in order: first what is downloaded, then what is made of the sources. `kind` is run or dev.

    Raises:
        Trouble: a step cannot be done.
    """
    from scripts.bytecode import ensure_bytecode
    from scripts.cache import alone, cache_folder
    from scripts.environment import ensure_environment, ensure_packages, ensure_project
    from scripts.kernels import ensure_kernels
    from scripts.questdb_jar import ensure_jar

    cache = cache_folder()
    with alone(cache):
        ensure_environment()
        ensure_packages(kind)
        ensure_jar(cache)
        if with_project:
            ensure_project()
            ensure_bytecode()
            ensure_kernels(cache)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
