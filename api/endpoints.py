"""How each role of a house reaches the tape's server."""

from __future__ import annotations

from pathlib import Path

from api.places import Places
from api.settings import Settings
from events.jetstream.link import Endpoint
from events.jetstream.roles import seed_file
from events.jetstream.server import endpoint


def tape_endpoint(settings: Settings, role: str) -> Endpoint:
    """How a role reaches the tape's server. Raises NotAvailable where none was started."""
    if settings.tape.url:
        credentials = Path(settings.tape.credentials)
        if settings.tape.credentials and credentials.is_dir():  # one nkey seed a role, as deploy/make_keys.py writes
            return Endpoint(settings.tape.url, role, seed_file=str(seed_file(credentials, role)))
        return Endpoint(settings.tape.url, role, credentials_file=settings.tape.credentials)
    return endpoint(Places(settings.folder).nats, role)
