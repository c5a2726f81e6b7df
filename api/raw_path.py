"""The raw path: where two contracts give one path two shapes, the trailing slash tells them apart (C1, C2).

Litestar takes `/x` and `/x/` for one route, so the one handler of such a path asks here which form was meant.
"""

from __future__ import annotations

from litestar.types import Scope


def slashed(scope: Scope) -> bool:
    """Whether the request's path ends with a slash."""
    return scope["raw_path"].endswith(b"/")
