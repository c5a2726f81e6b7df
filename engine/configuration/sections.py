"""The sections: one struct each, with bounds and defaults. Names on the outside are in camel case."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from events.misfits import LOOKS

Timeframe = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
Symbol = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9._:/^=+-]{1,64}$",
        extra={LOOKS: "a symbol such as EURUSD or BTC/USDT: 1 to 64 letters, digits and . _ : / ^ = + -"},
    ),
]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e15)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Discount = Annotated[float, msgspec.Meta(ge=0, le=1)]
Pips = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Cost = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class Data(msgspec.Struct, frozen=True, rename="camel"):
    """What is looked at, and how far back and ahead, in bars of the primary timeframe."""

    symbols: Annotated[tuple[Symbol, ...], msgspec.Meta(min_length=1, max_length=100)] = ("EURUSD", "GBPUSD")
    primary_timeframe: Timeframe = "1h"
    additional_timeframes: Annotated[tuple[Timeframe, ...], msgspec.Meta(max_length=6)] = ("15m", "4h", "1d")
    lookback_window: Annotated[int, msgspec.Meta(gt=0, le=100_000)] = 120
    prediction_horizon: Annotated[int, msgspec.Meta(gt=0, le=10_000)] = 12


class Transformer(msgspec.Struct, frozen=True, rename="camel"):
    """The sequence model. `d_model` is shared evenly by `n_heads`."""

    d_model: Annotated[int, msgspec.Meta(gt=0, le=8192)] = 128
    n_heads: Annotated[int, msgspec.Meta(gt=0, le=128)] = 8
    n_encoder_layers: Annotated[int, msgspec.Meta(gt=0, le=128)] = 4
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1
    learning_rate: Share = 0.0001
    epochs: Annotated[int, msgspec.Meta(gt=0, le=100_000)] = 100
    patience: Annotated[int, msgspec.Meta(gt=0, le=100_000)] = 15


class Ppo(msgspec.Struct, frozen=True, rename="camel"):
    """Proximal policy optimisation. `gaeambda` is lambda of the advantage estimate, spelt as clients know it."""

    learning_rate: Share = 0.0003
    gamma: Discount = 0.99
    gaeambda: Discount = 0.95
    clip_epsilon: Share = 0.2
    total_timesteps: Annotated[int, msgspec.Meta(gt=0, le=10_000_000_000)] = 1_000_000


class Risk(msgspec.Struct, frozen=True, rename="camel"):
    """Shares of the equity, and distances in pips, for whatever names none of its own.

    `max_position_size` is what a position may lose at its stop loss, `max_daily_loss` what a UTC day may lose of the
    equity it began with. Backtests of contract 002 take all four; sessions of contract 000 and those that the panel
    starts of itself take the daily loss.
    """

    max_position_size: Share = 0.02
    max_daily_loss: Share = 0.05
    default_stop_loss_pips: Pips = 50.0
    default_take_profit_pips: Pips = 100.0


class Backtest(msgspec.Struct, frozen=True, rename="camel"):
    """What a backtest starts with by default: quote currency, pips, quote currency per lot."""

    initial_balance: Positive = 10_000.0
    leverage: Annotated[float, msgspec.Meta(ge=1, le=1000)] = 100.0
    spread_pips: Cost = 1.5
    commission_per_lot: Cost = 7.0


class Configuration(msgspec.Struct, frozen=True):
    """All sections."""

    data: Data = Data()
    transformer: Transformer = Transformer()
    ppo: Ppo = Ppo()
    risk: Risk = Risk()
    backtest: Backtest = Backtest()


DEFAULTS = Configuration()
