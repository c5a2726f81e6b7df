"""Who did what, where no command on the tape says so: logins, refusals, changes of users, keys and configuration."""

from __future__ import annotations

from typing import Literal

from events.facts.kinds import Command, Fact

Action = Literal["login", "login_refused", "access_refused", "request", "user_changed", "refresh_token_reused"]


class ActionAudited(Fact, frozen=True, tag="ActionAudited"):
    """Somebody did something, or tried to. Ids only: no body, no query, no secret."""

    action: Action
    user: str  # empty: nobody that is known
    what: str  # method and path of the request, or the change
    address: str = ""  # where it came from
    status: int = 0  # HTTP; 0: no request
    count: int = 1  # how often within the second
    left_out: int = 0  # further actions before this one that were over the bound and are not on the tape


COMMANDS: tuple[type[Command], ...] = ()
FACTS: tuple[type[Fact], ...] = (ActionAudited,)
