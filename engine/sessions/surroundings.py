"""What a runner is given, and its named limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from engine.recordings.reading import RecordingReader
from engine.sessions.decider import Decider
from engine.sessions.watchdog import Watchdog
from events.clock import Clock
from events.durations import Durations, order_durations
from events.facts import SessionSpec
from events.tape import Blobs, Tape


class RunnerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named limits of one runner."""

    snapshot_rows: int = 2_000_000
    snapshot_messages: int = 20_000
    snapshot_seconds: float = 30.0
    keys_max: int = 10_000  # answers by idempotency key that a session remembers
    progress_seconds: float = 5.0  # between two tellings of how far a session has read
    leave_seconds_max: float = 3.0  # for a last snapshot when the process ends in order; 0: none


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a runner is given."""

    tape: Tape
    blobs: Blobs
    clock: Clock
    reader: RecordingReader
    make_decider: Callable[[SessionSpec], Decider]
    settings: RunnerSettings = field(default_factory=RunnerSettings)
    watchdog: Watchdog | None = None  # none where no kernel is a user's own
    order_times: Durations = field(default_factory=order_durations)  # from a tick until an order is on the tape
