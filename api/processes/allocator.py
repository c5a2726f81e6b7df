"""The C library's allocator, told to give large pieces back.

glibc raises the size from which a piece has pages of its own to that of whatever was freed last, and keeps smaller
ones in heaps, one for each thread, that seldom shrink. What took many megabytes once would stay as large.
"""

from __future__ import annotations

import ctypes

MIB = 1024 * 1024
# Parameters of glibc's `mallopt` and their values here. A limit of pieces costs a bulk import some 7 %.
ARENA_MAX, MMAP_THRESHOLD, TRIM_THRESHOLD = -8, -3, -1
LEAN = ((ARENA_MAX, 2), (MMAP_THRESHOLD, MIB), (TRIM_THRESHOLD, 4 * MIB))


def lean() -> bool:
    """For a process that is large for a moment only; called before it has threads. False where there is no glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(name, value) for name, value in LEAN)
