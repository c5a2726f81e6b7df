"""Users and tokens by verbs: what a token may do, when it is void, and that no secret is shown."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest

from api.places import Places
from tests.api.cli.verbs import Desk

PASSWORD = "correct horse battery"


@pytest.fixture
def secret(desk: Desk) -> bytes:
    """The key that tokens are signed with."""
    desk.good("token")
    return Places(desk.data).token_secret.read_bytes()


def test_init_again_changes_nothing(desk: Desk) -> None:
    """The epoch stays, the tape grows by nothing, and the password's file is named, not its content."""
    before = desk.lasts()
    first, second = (desk.good("init", "--json").json() for _ in range(2))
    assert first == second
    assert first["fresh"] is False
    assert desk.lasts() == before
    assert "already" in desk.good("init").out
    assert Path(first["password_file"]).read_text().strip() not in desk.good("init").out


def test_a_token_says_who_and_how_long(desk: Desk) -> None:
    """The plain form is the token alone; --json gives its lifetime and the CSRF token beside it."""
    plain = desk.good("token", "--minutes", "5").out
    assert plain.count("\n") == 1
    claims = jwt.decode(plain.strip(), options={"verify_signature": False})
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("admin", 300)
    body = desk.good("token", "--minutes", "5", "--json").json()
    assert (body["user"], body["role"], body["expires_in"]) == ("admin", "admin", 300)
    assert body["csrf_token"]


def test_a_user_lives_and_goes(desk: Desk) -> None:
    """Added, given another role and password, removed; a wrong password gives no token."""
    desk.good("user", "add", "alice", "--role", "trader", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert {"name": "alice", "role": "trader"} in desk.good("user", "list", "--json").json()
    assert desk.verb("user", "add", "alice", "--password-stdin", stdin=f"{PASSWORD}\n").code == 4
    desk.good("user", "role", "alice", "viewer")
    assert "alice" in desk.good("user", "list").out
    given = desk.good("token", "--user", "alice", "--json", env={"TAPEDECK_PASSWORD": PASSWORD}).json()
    assert given["role"] == "viewer"
    desk.good("user", "passwd", "alice", "--password-stdin", stdin="another long password\n")
    old = desk.verb("token", "--user", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert (old.code, old.out) == (5, "")
    desk.good("user", "remove", "alice")
    assert "alice" not in desk.good("user", "list").out
    assert desk.verb("user", "passwd", "alice", "--password-stdin", stdin=f"{PASSWORD}\n").code == 3


def test_no_secret_is_shown(desk: Desk, secret: bytes) -> None:
    """Neither the generated password nor the key of tokens appears in what any verb prints."""
    password = Places(desk.data).password.read_text().strip()
    said = [
        desk.verb(*verb)
        for verb in (("init",), ("doctor",), ("user", "list"), ("tail", "--no-follow"), ("-v", "token"))
    ]
    text = "".join(one.out + one.err for one in said)
    assert password not in text
    assert secret not in text.encode()
    assert secret.hex() not in text
