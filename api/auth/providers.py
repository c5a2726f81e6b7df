"""The exchanges and brokers of which keys are kept, and their environments."""

from __future__ import annotations

from api.auth.key_rights import PRACTICE
from events.errors import InvalidInput

# id -> name. Binance's futures have its account's keys; of venues that no longer trade there are none.
PROVIDERS = {
    "binance": "Binance",
    "binanceus": "Binance.US",
    "bitmex": "BitMEX",
    "bitstamp": "Bitstamp",
    "bybit": "Bybit",
    "coinbase": "Coinbase",
    "deribit": "Deribit",
    "fxcm": "FXCM",
    "gateio": "Gate.io",
    "kraken": "Kraken",
    "kucoin": "KuCoin",
    "mexc": "MEXC",
    "oanda": "OANDA",
    "okx": "OKX",
}
LIVE = "live"
ENVIRONMENTS = (LIVE, *sorted(PRACTICE))


def known(provider: str, environment: str) -> tuple[str, str]:
    """A provider and an environment as they are kept, however their case. Raises InvalidInput with those there are."""
    found = provider.lower(), environment.lower()
    for field, value, there in (("provider_id", found[0], PROVIDERS), ("environment", found[1], ENVIRONMENTS)):
        if value not in there:
            raise InvalidInput(f"{field} {value[:64]!r} is not known; known are {', '.join(there)}.", field=field)
    return found
