"""
What the local venue lists: perpetuals that trade, and a spot row among them, so that a client has to filter.

Ids and decimals of ETH and BTC are the venue's; the rows of DOGE and SOL are made up. Whatever may be priced or sized
has decimals here: prices and sizes on the wire are text with so many places, and in transactions integers of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from perpkit.core.models.market import FundingAccrual, MarketStatus, PriceKind
from perpkit.sim.markets import FeeRates, MarketSpec
from perpkit.sim.money import places
from perpkit.sim.venues.lighter.config import FRACTION_UNIT

D = Decimal
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Listing:
    """
    A row of ``orderBookDetails``.

    Attributes:
        symbol: The base alone, for spot base and quote.
        index_price: Where the index starts.
        min_base, min_quote: Least size in base units, least size times price.
        default_fraction, min_fraction, maintenance_fraction, closeout_fraction: Margin, in ten-thousandths.
        funding_rate: Where the rate begins, a fraction per hour; positive: longs pay.
    """

    market_id: int
    symbol: str
    index_price: Decimal
    size_decimals: int
    price_decimals: int
    min_base: Decimal
    min_quote: Decimal = D(10)
    default_fraction: int = 500
    min_fraction: int = 200
    maintenance_fraction: int = 120
    closeout_fraction: int = 80
    funding_rate: Decimal = D("0.000012")
    kind: str = "perp"

    @property
    def is_perp(self) -> bool:
        """Tell whether it is a perpetual."""
        return self.kind == "perp"

    @property
    def step_size(self) -> Decimal:
        """Return the smallest step of sizes."""
        return D(1).scaleb(-self.size_decimals)

    @property
    def tick_size(self) -> Decimal:
        """Return the smallest step of prices."""
        return D(1).scaleb(-self.price_decimals)

    def size_text(self, size: Decimal) -> str:
        """Return a size as the wire writes it."""
        return fixed(size, self.size_decimals)

    def price_text(self, price: Decimal) -> str:
        """Return a price as the wire writes it; what is no multiple of the tick, such as an average, shows whole."""
        return fixed(price, self.price_decimals)

    def quote_text(self, amount: Decimal) -> str:
        """Return size times price as the wire writes it."""
        return fixed(amount, self.size_decimals + self.price_decimals)

    def size_of(self, units: int) -> Decimal:
        """Return the size that an integer of a transaction stands for."""
        return D(units).scaleb(-self.size_decimals)

    def price_of(self, units: int) -> Decimal:
        """Return the price that an integer of a transaction stands for."""
        return D(units).scaleb(-self.price_decimals)

    def size_units(self, size: Decimal) -> int:
        """Return the integer that stands for a size in transactions."""
        return int(size.scaleb(self.size_decimals))

    def price_units(self, price: Decimal) -> int:
        """Return the integer that stands for a price in transactions."""
        return int(price.scaleb(self.price_decimals))


LISTINGS = (
    Listing(0, "ETH", D("4000.00"), 4, 2, D("0.0050")),
    Listing(1, "BTC", D("100000.0"), 5, 1, D("0.00020")),
    Listing(
        2, "SOL", D("200.000"), 3, 3, D("0.050"), default_fraction=1000, min_fraction=400, maintenance_fraction=240
    ),
    Listing(3, "DOGE", D("0.200000"), 0, 6, D(10), default_fraction=1000, min_fraction=1000, maintenance_fraction=600),
    Listing(2048, "ETH/USDC", D("4000.00"), 4, 2, D("0.0050"), kind="spot"),
)


def fixed(value: Decimal, least: int) -> str:
    """Return a number as text with at least so many places, and more where it has more; digits are never cut."""
    shown = max(least, places(value))
    return f"{value:.{shown}f}"


def market_spec(listing: Listing) -> MarketSpec:
    """Return the exchange's rules for a listed perpetual."""
    return MarketSpec(
        symbol=listing.symbol,
        base=listing.symbol,
        index_price=listing.index_price,
        tick_size=listing.tick_size,
        step_size=listing.step_size,
        quote="USDC",
        min_size=listing.min_base,
        min_notional=listing.min_quote,
        initial_margin=D(listing.min_fraction) / FRACTION_UNIT,
        maintenance_margin=D(listing.maintenance_fraction) / FRACTION_UNIT,
        fees=FeeRates(),
        funding_rate=listing.funding_rate,
        funding_period=HOUR,
        funding_accrual=FundingAccrual.DISCRETE,
        funding_price=PriceKind.MARK,
    )


def with_rules(listing: Listing | None, spec: MarketSpec, market_id: int) -> Listing:
    """Return a row as the exchange's rules for it are now; ``listing`` is None where it was listed later."""
    if listing is not None and replace(market_spec(listing), status=spec.status) == spec:
        return listing
    row = listing or Listing(
        market_id, spec.symbol, spec.index_price, places(spec.step_size), places(spec.tick_size), spec.min_size
    )
    least = int(spec.initial_margin * FRACTION_UNIT)
    return replace(
        row,
        size_decimals=places(spec.step_size),
        price_decimals=places(spec.tick_size),
        min_base=spec.min_size,
        min_quote=spec.min_notional,
        min_fraction=least,
        default_fraction=max(least, row.default_fraction),
        maintenance_fraction=int(spec.maintenance_margin * FRACTION_UNIT),
    )


def status_text(status: MarketStatus) -> str:
    """Return a market's status as the wire names it; only an open market is active."""
    if status is MarketStatus.SETTLED:
        return "settled"
    return "inactive" if status is MarketStatus.HALTED else "active"
