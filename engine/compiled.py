"""Marks a function that numba compiles where it runs: in a loop that inlines its text, or when it is called itself.

Importing numba takes a quarter of a second and 60 MB, and most processes that name a strategy run no loop.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


class Compiled:
    """A function under numba's name for the Python text of it; compiled code of numba may call it too."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.py_func = function
        functools.update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        """Call what numba made of it; the first call compiles."""
        return self._dispatcher(*arguments)

    @functools.cached_property
    def _dispatcher(self) -> Any:
        from numba import njit

        return njit(nogil=True)(self.py_func)

    @property
    def _numba_type_(self) -> Any:
        """What numba takes it for where its own code names it."""
        return self._dispatcher._numba_type_


def compiled(function: Callable[..., Any]) -> Any:
    """The mark of a kernel, an indicator, or what one of them calls."""
    return Compiled(function)
