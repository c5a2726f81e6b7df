"""Users: an aggregate on the VAULT stream, which no tail, replay or explorer ever serves."""

from __future__ import annotations

from collections import OrderedDict
from enum import StrEnum

import argon2
import msgspec

from events import codec
from events.errors import Conflict, FenceLost, InvalidInput, Unauthenticated, Unknown
from events.facts import (
    Fact,
    PasswordChanged,
    RefreshFamilyEnded,
    RefreshTokenUsed,
    RoleChanged,
    UserCreated,
    UserRemoved,
)
from events.subjects import token
from events.tape import Message, Tail, Tape

USERS = "vault.user.>"
# What a name that nobody has is checked against, as costly as a real one: making it at each start takes 0.15 s.
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$xdfY+suU6wjLeSdXrZfhbw$J6DgC3Vs71DuknkHwgoQL1vviZtsU5J724ST02NFttQ"
PASSWORD_MIN = 10
PASSWORD_MAX = 256
TRIES_MAX = 5
USED_MAX = 100_000  # refresh tokens whose use is remembered, and families whose end is; the oldest is forgotten


class Role(StrEnum):
    """What a user may do; each includes the one before."""

    VIEWER = "viewer"
    TRADER = "trader"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class User(msgspec.Struct, frozen=True):
    """One user. `version` is the sequence of the last fact about it: a token of another version is void."""

    name: str
    role: Role
    password_hash: str
    version: int


class Users:
    """Fold of user facts, and password checks."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._used: OrderedDict[str, tuple[int, int]] = OrderedDict()  # refresh tokens: when, and when they expire
        self._ended: OrderedDict[str, tuple[int, int]] = OrderedDict()  # families of them: the same
        self.last = 0
        self._hasher = argon2.PasswordHasher()
        self.tail: Tail | None = None

    async def follow(self, vault: Tape) -> None:
        """Fold what is there, then what comes: a password changed elsewhere voids its tokens here."""
        async for message in vault.read(1, subjects=(USERS,)):
            await self.note(message)
        self.tail = await vault.tail(self.last + 1, self.note, subjects=(USERS,))

    async def close(self) -> None:
        """Stop following."""
        if self.tail is not None:
            await self.tail.close()

    async def note(self, message: Message) -> None:
        """One message of the vault's user subjects."""
        fact = codec.decode(message.body, message.sequence)
        if isinstance(fact, Fact):
            self._evolve(fact, message.sequence)
        self.last = message.sequence

    def _evolve(self, fact: Fact, sequence: int) -> None:
        match fact:
            case UserCreated():
                self._users[fact.name] = User(fact.name, Role(fact.role), fact.password_hash, sequence)
            case PasswordChanged():
                self._change(fact.name, sequence, password_hash=fact.password_hash)
            case RoleChanged():
                self._change(fact.name, sequence, role=Role(fact.role))
            case UserRemoved():
                self._users.pop(fact.name, None)
            case RefreshTokenUsed():
                _remember(self._used, fact.token, fact.used_s, fact.expires_s)
            case RefreshFamilyEnded():
                _remember(self._ended, fact.family, fact.ended_s, fact.expires_s)
            case _:
                pass

    def _change(self, name: str, sequence: int, **changes: object) -> None:
        self._users[name] = msgspec.structs.replace(self._users[name], version=sequence, **changes)

    def used_s(self, token: str) -> int | None:
        """When (Unix time) a refresh token of this id was used; None: it was not."""
        return self._used[token][0] if token in self._used else None

    def is_ended(self, family: str) -> bool:
        """Whether all refresh tokens that came of this login are void."""
        return family in self._ended

    def find(self, name: str) -> User | None:
        """The user of a name."""
        return self._users.get(name)

    def all(self) -> list[User]:
        """All users by name."""
        return sorted(self._users.values(), key=lambda user: user.name)

    def check(self, name: str, password: str) -> User:
        """The user if the password is right; takes as long when there is no such user.

        Raises:
            Unauthenticated: name or password is wrong; it does not say which.
        """
        user = self._users.get(name)
        try:
            self._hasher.verify(user.password_hash if user else NOBODY, password[:PASSWORD_MAX])
        except argon2.exceptions.VerifyMismatchError:
            user = None
        if user is None:
            raise Unauthenticated("Name or password is wrong.", code="BAD_CREDENTIALS")
        return user

    def hash(self, password: str) -> str:
        """argon2id hash of a new password.

        Raises:
            InvalidInput: shorter than 10 or longer than 256 characters.
        """
        if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
            raise InvalidInput(f"A password has {PASSWORD_MIN} to {PASSWORD_MAX} characters.", field="password")
        return self._hasher.hash(password)


def _remember(kept: OrderedDict[str, tuple[int, int]], key: str, at_s: int, expires_s: int) -> None:
    """Keep what was so at a moment until it expires (Unix times), and forget what has expired by then."""
    kept.setdefault(key, (at_s, expires_s))
    while kept and (next(iter(kept.values()))[1] <= at_s or len(kept) > USED_MAX):
        kept.popitem(last=False)


async def load(vault: Tape) -> Users:
    """All users as of now."""
    users = Users()
    async for message in vault.read(1, subjects=(USERS,)):
        await users.note(message)
    return users


async def change(vault: Tape, fact: UserCreated | PasswordChanged | RoleChanged | UserRemoved) -> int:
    """Append a fact about a user if it fits what is there; returns its sequence.

    Raises:
        Conflict: a user to create exists. Unknown: a user to change does not.
    """
    token(fact.name, "name")
    for _ in range(TRIES_MAX):
        users = await load(vault)
        exists = users.find(fact.name) is not None
        if isinstance(fact, UserCreated) and exists:
            raise Conflict(f"User {fact.name} exists.", field="name")
        if not isinstance(fact, UserCreated) and not exists:
            raise Unknown(f"There is no user {fact.name}.", field="name")
        append = codec.to_append(
            fact,
            f"vault.user.{fact.name}",
            f"user:{fact.name}:{users.last}",
            expected=users.last,
            fence=USERS,
        )
        try:
            return await vault.append(append)
        except FenceLost:
            continue
    raise Conflict("The users kept changing; try again.", field="name")
