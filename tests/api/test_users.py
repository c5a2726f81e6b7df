"""Users and their passwords."""

from __future__ import annotations

import argon2

from api.auth.users import NOBODY


def test_a_name_that_nobody_has_costs_as_much_as_a_wrong_password() -> None:
    """How long a login takes does not tell whether there is such a user."""
    assert not argon2.PasswordHasher().check_needs_rehash(NOBODY)
