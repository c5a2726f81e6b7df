"""Makes the secrets of a cluster: `.venv/bin/python deploy/make_keys.py`. What exists stays as it is.

`secrets/<role>.nk` is the seed of a role, `secrets/authorization.conf` the users with their permissions (public keys
only), `.env` the passwords that compose.yaml reads. The folder is 0700; the seeds in it are readable by the containers'
users, who have other numbers.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from events.jetstream.roles import ROLES, authorization, make_keys, seed_file

HERE = Path(__file__).resolve().parent
PASSWORDS = ("NATS_ROUTES_PASSWORD", "QUESTDB_PASSWORD")


def write_secrets(folder: Path) -> list[Path]:
    """Write seeds, authorization and passwords; returns the files that are there then."""
    keys = folder / "secrets"
    public = make_keys(keys, ROLES)
    keys.chmod(0o700)
    rules = keys / "authorization.conf"
    rules.write_text(authorization(public, ROLES) + "\n")
    seeds = [seed_file(keys, role) for role in ROLES]
    for seed in seeds:
        seed.chmod(0o444)
    return [*seeds, rules, write_passwords(folder / ".env")]


def write_passwords(file: Path) -> Path:
    """Passwords as `NAME=value`; letters first, because NATS reads a value that looks like a number as one."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}=pw{secrets.token_hex(16)}\n" for name in PASSWORDS))
    return file


if __name__ == "__main__":
    for path in write_secrets(HERE):
        sys.stdout.write(f"{path.relative_to(HERE.parent)}\n")
