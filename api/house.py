"""The house of one API process: everything its handlers are given."""

from __future__ import annotations

from dataclasses import dataclass

from api.auth.tokens import Tokens
from api.auth.users import Users
from api.services.commands import Commands
from api.services.library import Lookups
from api.settings import Settings
from api.streams.broadcast import Broadcast
from api.streams.hub import Hub
from events.clock import Clock
from events.tape import Keys, Tape
from projections.market_store import MarketStore
from projections.read_model import ReadModel


@dataclass(frozen=True, slots=True)
class House:
    """Built once by `api.bootstrap`."""

    settings: Settings
    clock: Clock
    tape: Tape
    vault: Tape
    keys: Keys
    users: Users
    tokens: Tokens
    hub: Hub
    broadcast: Broadcast
    commands: Commands
    lookups: Lookups
    read: ReadModel
    market: MarketStore
