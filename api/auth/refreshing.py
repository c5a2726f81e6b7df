"""Refresh tokens: each gives one pair; one that is brought again ends its family, all that came of the same login.

Whoever brings it second, one of two has it who should not: neither keeps the session (RFC 9700, 4.14.2). Two tabs of
one client may bring it at one moment, though: within the grace the second is refused, and the first goes on.
"""

from __future__ import annotations

from enum import StrEnum

from api.auth.tokens import Identity
from api.auth.users import TRIES_MAX, USERS, Users, load
from events import codec
from events.clock import NS_PER_SECOND, Clock
from events.errors import Conflict, FenceLost
from events.facts import RefreshFamilyEnded, RefreshTokenUsed
from events.tape import Tape

GRACE_SECONDS = 2  # about a round trip; no pair comes of it
FAMILY_SECONDS_MAX = 8_760 * 3_600  # the longest `api.refresh_hours`, whatever it was when the newest was given


class Use(StrEnum):
    """What bringing a refresh token came to."""

    FIRST = "first"
    AT_ONCE = "at once"  # a second time, within the grace
    REUSED = "reused"  # a second time: its family ends
    ENDED = "ended"  # its family ended before


async def use_refresh_token(vault: Tape, users: Users, identity: Identity, clock: Clock) -> Use:
    """Use a refresh token up: of several that bring it at one moment, to whichever process, one is the first.

    `users` may lag behind the vault: the fence tells.

    Raises:
        Conflict: the users kept changing.
    """
    now, use = clock.now_ns() // NS_PER_SECOND, clock.new_id()  # two uses are not one append that was repeated
    for _ in range(TRIES_MAX):
        if users.is_ended(identity.family):
            return Use.ENDED
        used_s = users.used_s(identity.token_id)
        if used_s is not None:
            if now - used_s <= GRACE_SECONDS:
                return Use.AT_ONCE
            await _end(vault, identity, now)
            return Use.REUSED
        fact = RefreshTokenUsed(name=identity.user, token=identity.token_id, used_s=now, expires_s=identity.expires_s)
        append = codec.to_append(
            fact, f"vault.user.{identity.user}", f"refresh:{use}:{users.last}", expected=users.last, fence=USERS
        )
        try:
            await vault.append(append)
        except FenceLost:
            users = await load(vault)
        else:
            return Use.FIRST
    raise Conflict("The users kept changing; try again.")


async def _end(vault: Tape, identity: Identity, now: int) -> None:
    fact = RefreshFamilyEnded(
        name=identity.user, family=identity.family, ended_s=now, expires_s=now + FAMILY_SECONDS_MAX
    )
    await vault.append(codec.to_append(fact, f"vault.user.{identity.user}", f"family:{identity.family}"))
