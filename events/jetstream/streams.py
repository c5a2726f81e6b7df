"""The streams: their names and settings, made by an explicit `init`, checked on every open."""

from __future__ import annotations

from typing import Any

import msgspec

from events.errors import OperatingError, TapeForeign, TapeMissing, TapeUnavailable
from events.jetstream.link import Link
from events.retry import NoAnswer, NotSent

TAPE_STREAM = "TAPE"
VAULT_STREAM = "VAULT"
ROOTS = {TAPE_STREAM: "tape", VAULT_STREAM: "vault"}
LIVENESS = "liveness"
COUNTERS = "counters"
BLOBS = "blobs"
EPOCH = "tapedeck-epoch"
DUPLICATE_SECONDS = 120.0
NS = 1_000_000_000

# error codes of the server (`err_code`)
STREAM_NOT_FOUND = 10059
STREAM_NAME_IN_USE = 10058
NO_MESSAGE = 10037
CONSUMER_NOT_FOUND = 10014


class StreamSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `init` may choose."""

    replicas: int = 1
    duplicate_seconds: float = DUPLICATE_SECONDS
    liveness_seconds: float = 10.0  # after which an engine that shows no sign of life counts as gone
    counters_seconds: float = 3_600.0  # longest window of a counter that protects


class StreamState(msgspec.Struct, frozen=True):
    """What the server says of a stream's content."""

    messages: int
    bytes: int
    first_seq: int
    last_seq: int
    num_deleted: int = 0
    subjects: dict[str, int] = {}  # messages by subject, where a question asked for them


class StreamConfig(msgspec.Struct, frozen=True):
    """The settings of a stream that we look at."""

    name: str
    duplicate_window: int = 0
    num_replicas: int = 1
    metadata: dict[str, str] = {}


class StreamInfo(msgspec.Struct, frozen=True):
    """Answer to a stream info request."""

    config: StreamConfig
    state: StreamState
    created: str

    @property
    def epoch(self) -> str:
        """Epoch id of the stream; empty where it is not one of ours."""
        return self.config.metadata.get(EPOCH, "")


class ApiError(msgspec.Struct, frozen=True):
    """An error of the server's API."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class _Answer(msgspec.Struct):
    error: ApiError | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
_INFO = msgspec.json.Decoder(StreamInfo)


class ApiRefused(Exception):
    """The server understood and refused."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(f"{error.description} ({error.code}/{error.err_code})")
        self.error = error


async def api(link: Link, name: str, question: dict[str, Any] | None = None, seconds: float = 5.0) -> bytes:
    """One question to JetStream's API; waits for a broken connection to come back, within the same bound.

    Raises:
        ApiRefused: the answer is an error.
        NotSent, NoAnswer: no answer.
    """
    body = msgspec.json.encode(question) if question else b""
    if not link.connected:
        await link.ready(seconds)
    answer = await link.request(f"$JS.API.{name}", body, seconds)
    if (error := _ANSWER.decode(answer.data).error) is not None:
        raise ApiRefused(error)
    return answer.data


async def info(link: Link, stream: str, seconds: float = 5.0, *, subjects: str = "") -> StreamInfo:
    """The stream's settings and state, with the subjects of a filter where one is given.

    Raises:
        TapeMissing: there is no such stream, or the server cannot open its files.
        TapeUnavailable: no answer.
    """
    try:
        question = {"subjects_filter": subjects} if subjects else None
        return _INFO.decode(await api(link, f"STREAM.INFO.{stream}", question, seconds))
    except ApiRefused as refused:
        if refused.error.err_code == STREAM_NOT_FOUND:
            raise missing(stream) from None
        raise TapeUnavailable(f"The server does not tell about stream {stream}: {refused}.") from None
    except (NotSent, NoAnswer) as error:
        raise TapeUnavailable(f"The server does not tell about stream {stream}: {error}.") from None


def missing(stream: str) -> TapeMissing:
    """There is no such stream."""
    return TapeMissing(
        f"The server has no stream {stream}: nothing was recorded here yet, or its files are damaged.",
        hint="A new installation: run `tapedeck init`. Otherwise do not: restore the server's folder from a copy.",
    )


def check_epoch(found: StreamInfo, epoch: str | None) -> str:
    """The stream's epoch.

    Raises:
        TapeForeign: it is another than `epoch`, or the stream is not one of ours.
    """
    if not found.epoch:
        raise TapeForeign(
            f"Stream {found.config.name} has no epoch: it was not made by `tapedeck init`.",
            hint="Use a NATS account of its own for Tapedeck.",
        )
    if epoch is not None and found.epoch != epoch:
        raise TapeForeign(
            f"Stream {found.config.name} has epoch {found.epoch}, and this data belongs to epoch {epoch}.",
            hint="Connect to the server that this data folder belongs to, or use another data folder.",
        )
    return found.epoch


async def create(link: Link, stream: str, epoch: str, settings: StreamSettings) -> str:
    """Make a stream where there is none; returns the epoch of the stream that is there then.

    Raises:
        TapeForeign: there is one that is not ours.
        TapeUnavailable: the server does not answer.
        OperatingError: the server refuses (no room, too few servers for the replicas).
    """
    config = {
        "subjects": [f"{ROOTS[stream]}.>"],
        "duplicate_window": round(settings.duplicate_seconds * NS),
        "allow_atomic": True,
        "deny_delete": True,
        "deny_purge": True,
        "metadata": {EPOCH: epoch},
    }
    await _make(link, stream, settings, config)
    return check_epoch(await info(link, stream), None)


async def create_bucket(link: Link, bucket: str, lifetime_seconds: float, settings: StreamSettings) -> None:
    """Make a bucket of keys, whose values end after their lifetime. Raises as `create`."""
    config = {
        "subjects": [f"$KV.{bucket}.>"],
        "max_msgs_per_subject": 1,
        "max_age": round(lifetime_seconds * NS),
        "duplicate_window": round(min(lifetime_seconds, DUPLICATE_SECONDS) * NS),
        "allow_rollup_hdrs": True,
        "deny_delete": True,
    }
    await _make(link, f"KV_{bucket}", settings, config)


async def create_store(link: Link, bucket: str, settings: StreamSettings) -> None:
    """Make an object store. Raises as `create`."""
    config = {"subjects": [f"$O.{bucket}.C.>", f"$O.{bucket}.M.>"], "allow_rollup_hdrs": True}
    await _make(link, f"OBJ_{bucket}", settings, config)


async def _make(link: Link, stream: str, settings: StreamSettings, config: dict[str, Any]) -> None:
    whole = {
        "name": stream,
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "num_replicas": settings.replicas,
        "allow_direct": True,
        **config,
    }
    try:
        await api(link, f"STREAM.CREATE.{stream}", whole, seconds=30.0)
    except ApiRefused as refused:
        if refused.error.err_code != STREAM_NAME_IN_USE:
            raise OperatingError(f"The server does not make stream {stream}: {refused}.") from None
    except (NotSent, NoAnswer) as error:
        raise TapeUnavailable(f"The server does not make stream {stream}: {error}.") from None


async def init(link: Link, epoch: str, settings: StreamSettings | None = None) -> str:
    """Make TAPE and VAULT under one epoch, the buckets and the store; what exists stays as it is.

    Returns the epoch. Raises as `create`.
    """
    chosen = settings or StreamSettings()
    epoch = await create(link, TAPE_STREAM, epoch, chosen)
    vault = await create(link, VAULT_STREAM, epoch, chosen)
    if vault != epoch:
        raise TapeForeign(
            f"Stream {VAULT_STREAM} has epoch {vault}, {TAPE_STREAM} has {epoch}: they do not belong together.",
            hint="Restore both from the same copy.",
        )
    await create_bucket(link, LIVENESS, chosen.liveness_seconds, chosen)
    await create_bucket(link, COUNTERS, chosen.counters_seconds, chosen)
    await create_store(link, BLOBS, chosen)
    return epoch
