"""Users. They are kept on the VAULT stream only."""

from __future__ import annotations

from typing import Literal

from events.facts.kinds import Fact


class UserCreated(Fact, frozen=True, tag="UserCreated"):
    """A user with a password hash (argon2id) and a role."""

    name: str
    role: Literal["viewer", "trader", "admin"]
    password_hash: str


class PasswordChanged(Fact, frozen=True, tag="PasswordChanged"):
    """Another password hash; tokens given out before are void."""

    name: str
    password_hash: str


class RoleChanged(Fact, frozen=True, tag="RoleChanged"):
    """Another role; tokens given out before are void."""

    name: str
    role: Literal["viewer", "trader", "admin"]


class UserRemoved(Fact, frozen=True, tag="UserRemoved"):
    """The user may no longer log in."""

    name: str


class RefreshTokenUsed(Fact, frozen=True, tag="RefreshTokenUsed"):
    """A refresh token gave a new pair, or its user logged out: it is good for nothing more."""

    name: str
    token: str  # its id, which is no secret
    used_s: int  # Unix time
    expires_s: int  # behind which nobody asks


class RefreshFamilyEnded(Fact, frozen=True, tag="RefreshFamilyEnded"):
    """A used refresh token was brought again: all refresh tokens that came of the same login are void."""

    name: str
    family: str  # its id, which is no secret
    ended_s: int  # Unix time
    expires_s: int  # behind which nobody asks


FACTS: tuple[type[Fact], ...] = (
    UserCreated,
    PasswordChanged,
    RoleChanged,
    UserRemoved,
    RefreshTokenUsed,
    RefreshFamilyEnded,
)
