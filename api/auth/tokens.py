"""Tokens: signed JWTs (HS256) with an expiry, and a CSRF token bound to them.

Access and refresh tokens differ by their `use` claim, so one never passes for the other. The secret lies in a 0600
file of the data folder. RFC 7519; the algorithm is fixed, whatever a header says.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Literal

import jwt
import msgspec

from api.auth.secret_files import kept_secret
from api.auth.users import Role, User, Users
from events.clock import NS_PER_SECOND, Clock
from events.errors import Forbidden, Unauthenticated

ALGORITHM = "HS256"
ISSUER = "tapedeck"
SECRET_BYTES = 32

Use = Literal["access", "refresh"]


class Identity(msgspec.Struct, frozen=True):
    """Who a request comes from."""

    user: str
    role: Role
    token_id: str
    expires_s: int = 0  # Unix time
    family: str = ""  # of a refresh token: the login that it came of


class Tokens:
    """Gives out and checks tokens."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    def give(self, user: User, use: Use, seconds: int, family: str = "") -> str:
        """A token of a user that lasts `seconds`, of a `family` where it is one for refreshing."""
        now = self._clock.now_ns() // NS_PER_SECOND
        claims = {
            "iss": ISSUER,
            "sub": user.name,
            "role": user.role.value,
            "use": use,
            "ver": user.version,
            "iat": now,
            "exp": now + seconds,
            "jti": self._clock.new_id(),
        }
        if family:
            claims["fam"] = family
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def check(self, text: str, use: Use, users: Users) -> Identity:
        """Whose token it is.

        Raises:
            Unauthenticated: forged, of another algorithm or use, expired, or its user changed since.
        """
        try:
            claims = jwt.decode(
                text,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                options={"require": ["exp", "iat", "sub", "jti"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            raise Unauthenticated("The token is not one of ours.", code="BAD_TOKEN") from None
        if claims["exp"] <= self._clock.now_ns() // NS_PER_SECOND:
            raise Unauthenticated("The token has expired; log in again or refresh it.", code="TOKEN_EXPIRED")
        user = users.find(claims["sub"])
        if user is None or claims.get("use") != use or claims.get("ver") != user.version:
            raise Unauthenticated("The token is no longer valid; log in again.", code="BAD_TOKEN")
        family = claims.get("fam", claims["jti"])  # one that was given before there were families begins its own
        return Identity(user.name, user.role, claims["jti"], int(claims["exp"]), family)

    def csrf(self, identity: Identity) -> str:
        """The CSRF token that goes with an access token (HMAC-SHA256 over its id)."""
        return hmac.new(self._secret, f"csrf:{identity.token_id}".encode(), hashlib.sha256).hexdigest()

    def check_csrf(self, identity: Identity, given: str | None) -> None:
        """Raises Forbidden where the header is missing or of another token."""
        if not given or not hmac.compare_digest(self.csrf(identity).encode(), given.encode()):
            raise Forbidden(
                "The X-CSRF-Token header is missing or of another token.",
                code="BAD_CSRF_TOKEN",
                field="X-CSRF-Token",
                hint="Login returns it as csrf_token.",
            )


def secret_file(path: Path) -> bytes:
    """The secret that tokens are signed with. Raises InvalidInput, see `kept_secret`."""
    return kept_secret(path, SECRET_BYTES)
