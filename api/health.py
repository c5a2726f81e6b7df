"""Health: whether every part of this process and what it depends on does its work, and how far it is behind."""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency

from api.services.checkup import Checkup, Health


@get("/api/health", opt={"public": True})
async def health(checkup: NamedDependency[Checkup]) -> Health:
    """Always 200 while the process answers; what is wrong is said in the components."""
    return await checkup.find()


HANDLERS = [health]
