"""Settings: defaults < YAML file < environment. One frozen struct per room; unknown keys are refused with their name.

`docs/settings.md` is generated from these structs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from engine.configuration import environment
from events.errors import InvalidInput
from events.misfits import misfit

ENV_PREFIX = "TAPEDECK_"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the settings."""


class TapeSettings(Section, frozen=True):
    """The log."""

    url: Annotated[str, Meta(description="address of a NATS server that already runs; empty: a child process")] = ""
    credentials: Annotated[
        str, Meta(description="for `url`: a file with credentials, or a folder with one nkey seed a role")
    ] = ""
    replicas: Annotated[int, Meta(ge=1, le=5, description="copies of the stream in a cluster")] = 1
    append_seconds_max: Annotated[float, Meta(gt=0, le=60, description="bound of one append, seconds")] = 5.0


class MarketSettings(Section, frozen=True):
    """The read model of time series."""

    store: Annotated[Literal["questdb", "duckdb"], Meta(description="where ticks, candles and decisions are read")] = (
        "questdb"
    )
    url: Annotated[str, Meta(description="address of a QuestDB that already runs; empty: a child process")] = ""
    heap_mb: Annotated[int, Meta(ge=128, le=65_536, description="Java heap of the child, MiB")] = 256
    compiler: Annotated[
        Literal["full", "quick"],
        Meta(description="of the child's Java; quick: a start takes less processor time, what runs long takes more"),
    ] = "full"
    linger_seconds: Annotated[
        float,
        Meta(ge=0, le=1, description="how long rows wait for company before QuestDB has to commit them, seconds"),
    ] = 0.25
    query_pool_max: Annotated[int, Meta(ge=1, le=64, description="queries at once")] = 4
    query_seconds_max: Annotated[float, Meta(gt=0, le=300, description="bound of one query, seconds")] = 10.0


# Where front ends are served on this machine as their documents, or their development servers, have it. What is served
# there is the user's own program: it could call without a browser as well. Pages of other machines have other origins.
FRONT_ENDS = tuple(f"http://{host}:{port}" for port in (3000, 5173, 8000, 8080) for host in ("localhost", "127.0.0.1"))


class ApiSettings(Section, frozen=True):
    """The HTTP server."""

    host: Annotated[
        str, Meta(description="address to listen on; anything but loopback asks for a token everywhere")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="0: a free one")] = 8080
    cors_origins: Annotated[tuple[str, ...], Meta(description="origins of front ends that may call")] = FRONT_ENDS
    body_bytes_max: Annotated[int, Meta(ge=1_024, le=104_857_600, description="largest request body")] = 1_048_576
    answer_seconds_max: Annotated[float, Meta(gt=0, le=60, description="how long a command's answer is waited for")] = (
        10.0
    )
    token_minutes: Annotated[int, Meta(ge=1, le=1_440, description="life of an access token")] = 60
    refresh_hours: Annotated[int, Meta(ge=1, le=8_760, description="life of a refresh token")] = 168
    stream_clients_max: Annotated[int, Meta(ge=1, le=100_000, description="SSE and WebSocket clients at once")] = 1_000
    stream_queue_max: Annotated[int, Meta(ge=16, le=100_000, description="events waiting for one client")] = 1_000
    heartbeat_seconds: Annotated[float, Meta(gt=0, le=60, description="between signs of life on a stream")] = 5.0
    page_max: Annotated[int, Meta(ge=1, le=10_000, description="rows of one page")] = 1_000
    symbols_cache_seconds: Annotated[float, Meta(ge=0, le=3_600, description="age of /api/exchange/symbols")] = 300.0


class EngineSettings(Section, frozen=True):
    """Sessions."""

    sessions_max: Annotated[int, Meta(ge=1, le=10_000, description="sessions running at once")] = 64
    workers: Annotated[int, Meta(ge=0, le=64, description="worker processes; 0: one per core")] = 1
    strategies: Annotated[str, Meta(description="folder with strategies of your own")] = ""
    snapshot_rows: Annotated[int, Meta(ge=1_000, description="rows between snapshots")] = 2_000_000
    snapshot_messages: Annotated[int, Meta(ge=10, le=20_000, description="messages between snapshots")] = 20_000
    snapshot_seconds: Annotated[float, Meta(gt=0, description="seconds between snapshots")] = 30.0
    rest_seconds: Annotated[float, Meta(gt=0, le=60, description="before a run that broke off is tried again")] = 2.0
    step_seconds_max: Annotated[float, Meta(gt=0, description="longest step of the loop before it is ended")] = 10.0


class JobSettings(Section, frozen=True):
    """Background jobs, done by the worker processes."""

    cores: Annotated[float, Meta(ge=0, description="of this machine that jobs may take; 0: all")] = 0.0
    memory_mb: Annotated[int, Meta(ge=0, description="of this machine that jobs may take, MiB; 0: three quarters")] = 0
    overtakes_max: Annotated[
        int, Meta(ge=0, le=10_000, description="younger jobs that may pass one which does not fit")
    ] = 20
    claims_max: Annotated[int, Meta(ge=1, le=100, description="how often a job is taken up before it is given up")] = 10
    progress_seconds: Annotated[float, Meta(ge=0.1, le=60, description="between two tellings of progress")] = 1.0


class SourceSettings(Section, frozen=True):
    """A source that a session can tail: a simulated market, or files played again."""

    id: Annotated[str, Meta(description="its name")]
    kind: Annotated[Literal["simulated", "files"], Meta(description="what it is")]
    symbols: Annotated[tuple[str, ...], Meta(description="what it trades")] = ()
    market: Annotated[
        Literal["endless", "six_hours"], Meta(description="which simulated market; `endless` goes on for 100 years")
    ] = "endless"
    seed: Annotated[int, Meta(ge=0, description="of a simulated market")] = 1
    files: Annotated[tuple[str, ...], Meta(description="paths, for kind files")] = ()
    format: Annotated[str, Meta(description="format of the files; empty: found by content")] = ""
    acceleration: Annotated[float, Meta(ge=0, description="pace against event time; 0: as fast as possible")] = 1.0
    paced_seconds: Annotated[float, Meta(ge=0, description="then at once; 0: paced for ever")] = 0.0


class ProcessesSettings(Section, frozen=True):
    """Keeping the processes of a house up: our own, and the servers that are its children."""

    restarts_max: Annotated[int, Meta(ge=0, description="of one process within the window; more ends the house")] = 20
    window_seconds: Annotated[float, Meta(gt=0, description="over which restarts are counted")] = 60.0
    pause_seconds: Annotated[float, Meta(ge=0, le=10, description="before a process is started again")] = 0.3
    stop_seconds_max: Annotated[float, Meta(gt=0, le=60, description="from SIGTERM to SIGKILL")] = 8.0


class LimitsSettings(Section, frozen=True):
    """Rate limits: requests per window, keyed by user, else by address."""

    per_second: Annotated[int, Meta(ge=1, description="requests per second, beyond loopback only")] = 1_000
    logins_per_minute: Annotated[int, Meta(ge=1, description="tries to log in per minute and address")] = 10
    wrong_logins_per_hour_and_name: Annotated[
        int,
        Meta(ge=1, description="wrong passwords per hour and name, from whatever addresses; more than one can try"),
    ] = 1_000
    training_starts_per_minute: Annotated[int, Meta(ge=1, description="POST /api/v1/training/start per minute")] = 5
    backtest_starts_per_minute: Annotated[
        int, Meta(ge=1, description="POST /api/v1/backtest/run and /walkforward/run per minute")
    ] = 10
    config_updates_per_minute: Annotated[
        int, Meta(ge=1, description="PUT /api/v1/config and POST /templates per minute")
    ] = 30
    reads_per_minute: Annotated[int, Meta(ge=1, description="other requests below /api/v1 per minute")] = 100
    audits_per_minute: Annotated[
        int, Meta(ge=0, description="actions that one API process audits on the tape per minute; 0: none")
    ] = 600
    socket_messages_per_second: Annotated[
        int, Meta(ge=1, description="messages of one client to /ws per second, its sockets together")
    ] = 50


class LogSettings(Section, frozen=True):
    """Log files of the processes of a house."""

    file_mb: Annotated[int, Meta(ge=1, le=100, description="a log file of this size is put aside, MiB")] = 20
    files_max: Annotated[int, Meta(ge=1, le=99, description="files put aside that are kept of each process")] = 5


class ConfigurationSettings(Section, frozen=True):
    """The configuration that users change: a file that is read again when it changes, and never written."""

    file: Annotated[str, Meta(description="YAML of sections whose changes on disk are taken over; empty: none")] = ""
    look_seconds: Annotated[float, Meta(ge=0.1, le=3_600, description="between two looks at it")] = 1.0


class Settings(Section, frozen=True):
    """All settings."""

    data: Annotated[str, Meta(description="folder of everything that is kept")] = "~/.local/share/tapedeck"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="smallest level logged")] = (
        "info"
    )
    tape: TapeSettings = TapeSettings()
    market: MarketSettings = MarketSettings()
    api: ApiSettings = ApiSettings()
    engine: EngineSettings = EngineSettings()
    jobs: JobSettings = JobSettings()
    processes: ProcessesSettings = ProcessesSettings()
    limits: LimitsSettings = LimitsSettings()
    configuration: ConfigurationSettings = ConfigurationSettings()
    logs: LogSettings = LogSettings()
    sources: Annotated[tuple[SourceSettings, ...], Meta(description="sources that sessions can tail")] = (
        SourceSettings(id="simulated", kind="simulated", symbols=("BTC_USDT", "ETH_USDT", "SOL_USDT")),
    )

    @property
    def folder(self) -> Path:
        """The data folder as a path."""
        return Path(self.data).expanduser()


# Environment names that the documentation promises beside TAPEDECK_<SECTION>_<KEY>.
ENV_NAMES: dict[str, tuple[str, ...]] = {
    "TAPEDECK_NATS_URL": ("tape", "url"),
    "TAPEDECK_NATS_CREDENTIALS": ("tape", "credentials"),
    "TAPEDECK_QUESTDB_URL": ("market", "url"),
    "TAPEDECK_MARKET_STORE": ("market", "store"),
    "TAPEDECK_DATA": ("data",),
    "TAPEDECK_LOG_LEVEL": ("log_level",),
}
# Names with the prefix that are read elsewhere, by the set-up and the tests.
ENV_OTHER = frozenset(
    {
        "TAPEDECK_CACHE_DIR",
        "TAPEDECK_DATA_DIR",
        "TAPEDECK_REQUIRE_QUESTDB",
        "TAPEDECK_CONFIG",
        "TAPEDECK_MASTER_KEY",
        "TAPEDECK_PASSWORD",
        "TAPEDECK_SETTINGS",
    }
)


def load(path: Path | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """The settings in force.

    Raises:
        InvalidInput: the file is missing or no YAML, or a key is unknown or out of bounds; `field` is its dotted name.
    """
    env = os.environ if env is None else env
    if given := env.get("TAPEDECK_SETTINGS"):  # from the supervisor, checked by it
        return msgspec.json.decode(given, type=Settings)
    tree = _from_file(path) if path else {}
    for name, keys in sorted(_known_env().items()):
        if name in env:
            _put(tree, keys, env[name])
    unknown = [
        name
        for name in env
        if name.startswith(ENV_PREFIX)
        and name not in _known_env()
        and name not in ENV_OTHER
        and not name.startswith(environment.PREFIX)
    ]
    if unknown:
        raise InvalidInput(f"There is no setting {unknown[0]}.", field=unknown[0], hint="See docs/settings.md.")
    environment.overrides(env)
    try:
        return msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        found = misfit(error, Settings, tree, strict=False)
        where = f"Settings in {path}" if path else "Settings"
        said = f"{where}: {found.sentence('the file')}"
        raise InvalidInput(said, field=found.field or None, hint="See docs/settings.md.") from None


def _from_file(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise InvalidInput(f"The settings file {path} cannot be read: {error.strerror}.", field="config") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise InvalidInput(f"The settings file {path} is no YAML: {said}.", field="config") from None
    if not isinstance(tree, dict):
        raise InvalidInput(f"The settings file {path} holds no mapping.", field="config")
    return tree


def _known_env() -> dict[str, tuple[str, ...]]:
    names = dict(ENV_NAMES)
    for section in ("tape", "market", "api", "engine", "jobs", "processes", "limits", "configuration", "logs"):
        kind = type(getattr(Settings(), section))
        for key in kind.__struct_fields__:
            names.setdefault(f"{ENV_PREFIX}{section}_{key}".upper(), (section, key))
    return names


def _put(tree: dict[str, Any], keys: tuple[str, ...], value: str) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
    tree[keys[-1]] = [part for part in value.split(",") if part] if keys[-1] == "cors_origins" else value
