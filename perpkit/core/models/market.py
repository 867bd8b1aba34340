"""
Instruments, and their listing as a market on one venue with its rules.

Text form of a market: ``BTC-USD-PERP@paradex``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, Self, TypeAlias

from pydantic import field_validator

from perpkit.core.models.base import Duration, Model, NonNegative, Number, Price, Size, UtcTime

MarketId: TypeAlias = str
"""``SYMBOL@venue``, for example ``BTC-USD-PERP@paradex``."""


class InstrumentKind(StrEnum):
    """What is traded. Only perpetuals are served; the others are recognised so that they can be left out."""

    PERP = "perp"
    SPOT = "spot"
    FUTURE = "future"
    OPTION = "option"


class MarketStatus(StrEnum):
    """What a market takes now."""

    OPEN = "open"
    POST_ONLY = "post_only"
    REDUCE_ONLY = "reduce_only"
    CANCEL_ONLY = "cancel_only"
    HALTED = "halted"
    SETTLED = "settled"
    """Settled, delisted or not yet open: it takes nothing."""


class FundingAccrual(StrEnum):
    """How funding is owed: each second, or at set times only."""

    CONTINUOUS = "continuous"
    DISCRETE = "discrete"


_SUFFIX = {
    InstrumentKind.PERP: "PERP",
    InstrumentKind.SPOT: "SPOT",
    InstrumentKind.FUTURE: "FUT",
    InstrumentKind.OPTION: "OPT",
}
_KILO = re.compile(r"k(?P<underlying>[A-Z][A-Z0-9]*)")
_ZEROS = re.compile(r"(?P<multiplier>10{3,})(?P<underlying>[A-Z][A-Z0-9]*)")
_MILLION = re.compile(r"1M(?P<underlying>[A-Z][A-Z0-9]{2,})")


def split_multiplier(base: str) -> tuple[str, Decimal]:
    """
    Split a listed base into its underlying and how many units of it one base unit is.

    ``kPEPE`` and ``1000PEPE`` are (``PEPE``, 1000), ``1MBABYDOGE`` is (``BABYDOGE``, 1000000). Names that merely begin
    with a digit, such as ``2Z`` and ``1INCH``, stay whole.
    """
    if match := _KILO.fullmatch(base):
        return match["underlying"], Decimal(1000)
    if match := _ZEROS.fullmatch(base):
        return match["underlying"], Decimal(match["multiplier"])
    if match := _MILLION.fullmatch(base):
        return match["underlying"], Decimal(1_000_000)
    return base, Decimal(1)


class Instrument(Model):
    """
    The thing that is traded, whatever the venue.

    Attributes:
        base: The listed base, as venues of this kind write it (``BTC``, ``kPEPE``).
        quote: What prices are in.
        settle: What PnL, fees and funding are paid in.
        underlying: The asset behind the base, without a multiplier.
        multiplier: Underlying units in one base unit.
    """

    base: str
    quote: str
    settle: str
    kind: InstrumentKind = InstrumentKind.PERP
    underlying: str
    multiplier: Size = Decimal(1)

    @classmethod
    def of(cls, base: str, quote: str, settle: str, kind: InstrumentKind = InstrumentKind.PERP) -> Self:
        """Build one from a listed base, splitting off its multiplier."""
        underlying, multiplier = split_multiplier(base)
        return cls(base=base, quote=quote, settle=settle, kind=kind, underlying=underlying, multiplier=multiplier)

    @property
    def symbol(self) -> str:
        """``BTC-USD-PERP``."""
        return f"{self.base}-{self.quote}-{_SUFFIX[self.kind]}"

    def __str__(self) -> str:
        return self.symbol


_MOST_PLACES = 40
"""Before and behind the point. Nothing that is traded needs half of them."""


def _is_of_this_world(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_MOST_PLACES and value.adjusted() <= _MOST_PLACES


class Market(Model):
    """
    An instrument listed on one venue, with that venue's rules.

    Attributes:
        symbol: The venue's own name for it, to the letter.
        tick_size: The price step, in quote units.
        step_size: The size step, in base units.
        min_size: The least order size in base units, where the venue sets one.
        min_notional: The least size x price in quote units, where the venue sets one.
        max_size: The largest order in base units, where the venue sets one.
        price_significant_figures: For venues that also limit a price's digits.
        price_band: How far from the venue's reference a price may be, as a fraction, where it is published.
        maker_fee: Fraction of notional for this account or, failing that, the listed one; negative is a rebate.
            None where the venue does not say.
        funding_interval: The period that the published rate is for, read from the venue.
        position_limit: The largest position in base units, where the venue sets one.
    """

    venue: str
    symbol: str
    instrument: Instrument
    tick_size: Size
    step_size: Size
    min_size: Size | None = None
    max_size: Size | None = None
    min_notional: NonNegative | None = None
    price_significant_figures: int | None = None
    price_band: NonNegative | None = None
    maker_fee: Number | None = None
    taker_fee: Number | None = None
    funding_interval: Duration | None = None
    funding_accrual: FundingAccrual | None = None
    max_leverage: Size | None = None
    initial_margin_fraction: NonNegative | None = None
    maintenance_margin_fraction: NonNegative | None = None
    position_limit: Size | None = None
    max_open_orders: int | None = None
    status: MarketStatus
    listed_at: UtcTime | None = None

    @field_validator("*")
    @classmethod
    def _can_be_computed_with(cls, value: object) -> object:
        # Orders are rounded and checked by these: a tick of 1e999999 would end in an error of arithmetic there.
        if isinstance(value, Decimal) and not _is_of_this_world(value):
            msg = f"{value} is no number that anything is traded by"
            raise ValueError(msg)
        return value

    @cached_property
    def id(self) -> MarketId:
        """``BTC-USD-PERP@paradex``."""
        # Kept beside the fields: every event of a stream names its market by it.
        return f"{self.instrument.symbol}@{self.venue}"

    def _values(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "id"}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy as pydantic does; the copy finds its id anew."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("id", None)
        return copy

    @property
    def ccxt_symbol(self) -> str:
        """``BTC/USD:USDC``, the unified symbol of ccxt for a linear perpetual."""
        return f"{self.instrument.base}/{self.instrument.quote}:{self.instrument.settle}"

    @property
    def hummingbot_pair(self) -> str:
        """``BTC-USD``, Hummingbot's trading pair."""
        return f"{self.instrument.base}-{self.instrument.quote}"

    def __str__(self) -> str:
        return self.id


class TradingFees(Model):
    """
    What this account pays on one market: fractions of notional, negative for a rebate.
    """

    market_id: MarketId
    maker: Number
    taker: Number


class Ticker(Model):
    """
    A market's prices at a moment. None is 'not known', never 0.

    Attributes:
        volume_24h: Base units, where the venue gives them; ``notional_24h`` in quote units.
        open_interest: Base units.
    """

    market_id: MarketId
    bid_price: Price | None = None
    ask_price: Price | None = None
    last_price: Price | None = None
    mark_price: Price | None = None
    index_price: Price | None = None
    volume_24h: NonNegative | None = None
    notional_24h: NonNegative | None = None
    open_interest: NonNegative | None = None
    ts_venue: UtcTime | None = None
    ts_received: UtcTime


class Candle(Model):
    """
    One bar.

    Attributes:
        opened_at: Inclusive; ``interval`` is its length.
        volume: Base units; None for prices that nobody trades at (mark, index) where the venue gives none.
    """

    market_id: MarketId
    opened_at: UtcTime
    interval: Duration
    open: Price
    high: Price
    low: Price
    close: Price
    volume: NonNegative | None = None


class PriceKind(StrEnum):
    """Which price a candle or a trigger looks at."""

    LAST = "last"
    MARK = "mark"
    INDEX = "index"


class VenueStatus(StrEnum):
    """What the whole venue takes now."""

    OK = "ok"
    POST_ONLY = "post_only"
    CANCEL_ONLY = "cancel_only"
    MAINTENANCE = "maintenance"


class VenueHealth(Model):
    """
    How the venue is, as seen from here.

    Attributes:
        clock_skew: Venue time minus ours at the middle of the round trip; positive when our clock is behind.
        round_trip: How long the answer took.
    """

    venue: str
    status: VenueStatus
    message: str | None = None
    server_time: UtcTime | None = None
    clock_skew: Duration | None = None
    round_trip: Duration | None = None
    ts_received: UtcTime


__all__ = [
    "Candle",
    "FundingAccrual",
    "Instrument",
    "InstrumentKind",
    "Market",
    "MarketId",
    "MarketStatus",
    "PriceKind",
    "Ticker",
    "TradingFees",
    "VenueHealth",
    "VenueStatus",
    "split_multiplier",
]
