"""What a venue says that a key may do. A key that can withdraw is refused for live use before it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

import msgspec

from events.errors import InvalidInput, VenueUnavailable

PRACTICE = frozenset({"testnet", "sandbox", "demo", "paper"})  # environments without money; every other is live
RIGHTS_SECONDS_MAX = 5.0  # how long a venue is waited for


class Rights(msgspec.Struct, frozen=True):
    """What a key may do at its venue."""

    trade: bool
    withdraw: bool


class KeyVenue(Protocol):
    """A venue that can be asked about its keys."""

    async def rights(self, environment: str, api_key: str, api_secret: str) -> Rights:
        """What the key may do.

        Raises:
            InvalidInput: the venue does not know the key.
            VenueUnavailable: it does not answer.
        """
        ...


Venues = Mapping[str, KeyVenue]  # by provider


async def check_rights(venues: Venues, provider: str, environment: str, api_key: str, api_secret: str) -> None:
    """Whether a key may be kept. One of a provider without a venue here is not asked about: nothing can use it.

    Raises:
        InvalidInput: `KEY_CAN_WITHDRAW`, or the venue does not know the key.
        VenueUnavailable: the venue does not answer; nothing is kept unasked.
    """
    venue = venues.get(provider.lower())
    if venue is None or environment.lower() in PRACTICE:
        return
    try:
        async with asyncio.timeout(RIGHTS_SECONDS_MAX):
            found = await venue.rights(environment, api_key, api_secret)
    except TimeoutError:
        message = f"{provider} did not say within {RIGHTS_SECONDS_MAX:g} s what this key may do; nothing was stored."
        raise VenueUnavailable(message, hint="Try again.") from None
    if found.withdraw:
        raise InvalidInput(
            f"This key of {provider} can withdraw; nothing was stored.",
            code="KEY_CAN_WITHDRAW",
            field="api_key",
            hint="Make one at the exchange that can only read and trade.",
        )
