"""What a market of the simulator is: its rules, its fees and how it pays funding. No state beyond its status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from perpkit.core.models.market import FundingAccrual, MarketStatus, PriceKind
from perpkit.sim.money import MONEY_PLACES, ZERO, places

__all__ = ["FeeRates", "MarketSpec", "MarketStatus", "SystemStatus"]


class SystemStatus(StrEnum):
    """What the whole exchange takes now."""

    OK = "ok"
    POST_ONLY = "post_only"
    CANCEL_ONLY = "cancel_only"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class FeeRates:
    """Fractions of notional; a negative rate is a rebate."""

    maker: Decimal = ZERO
    taker: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class MarketSpec:
    """
    A market's rules.

    Attributes:
        symbol: The venue's own name.
        index_price: Where index and mark begin.
        tick_size: Price step, quote units. Tick and step together may have at most 12 decimal places.
        step_size: Size step, base units.
        min_size: Least order size, base units.
        min_notional: Least size times price (mark price for market orders), quote units. Reduce-only orders are free
            of it.
        max_size: Largest order, base units; None for no limit.
        position_limit: Largest position with open orders on one side, base units; None for no limit.
        max_open_orders: Per account in this market; None for no limit.
        price_band: How far from the mark price an order may be priced, as a fraction; None for no limit.
        initial_margin: Fraction of notional, at the highest leverage.
        maintenance_margin: Fraction of notional.
        fees: What everybody pays unless the account has its own rates.
        retail_fees: What orders of retail clients pay instead; None for the same.
        funding_rate: Where the rate begins: a fraction per ``funding_period``, positive when longs pay.
        funding_accrual: Each second through an index, or at the end of each period.
        funding_price: Which price the funding notional is taken at.
        funding_delay: How long after a period's end its payments are booked and told, where they come at its end. Who
            trades in between settles with the trade; what is owed was fixed at the end of the period.
        closing_when_restricted: CANCEL_ONLY also takes reduce-only orders here, which some venues call reduce-only.
        liquidation_fee: Fraction of notional that a liquidation pays to the insurance fund.
        meta: The venue's own words for what the exchange doesn't need to know.
    """

    symbol: str
    base: str
    index_price: Decimal
    tick_size: Decimal
    step_size: Decimal
    quote: str = "USD"
    min_size: Decimal = ZERO
    min_notional: Decimal = ZERO
    max_size: Decimal | None = None
    position_limit: Decimal | None = None
    max_open_orders: int | None = None
    price_band: Decimal | None = None
    initial_margin: Decimal = Decimal("0.02")
    maintenance_margin: Decimal = Decimal("0.01")
    fees: FeeRates = FeeRates()
    retail_fees: FeeRates | None = None
    funding_rate: Decimal = ZERO
    funding_period: timedelta = timedelta(hours=8)
    funding_accrual: FundingAccrual = FundingAccrual.CONTINUOUS
    funding_price: PriceKind = PriceKind.INDEX
    funding_delay: timedelta = timedelta(0)
    closing_when_restricted: bool = False
    liquidation_fee: Decimal = ZERO
    status: MarketStatus = MarketStatus.OPEN
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("index_price", "tick_size", "step_size", "initial_margin", "maintenance_margin"):
            if not getattr(self, name) > 0:
                msg = f"{self.symbol}: {name} is {getattr(self, name)}; it must be above zero"
                raise ValueError(msg)
        if places(self.tick_size) + places(self.step_size) > MONEY_PLACES:
            msg = (
                f"{self.symbol}: tick_size {self.tick_size} and step_size {self.step_size} have more than "
                f"{MONEY_PLACES} places together; amounts would not be exact"
            )
            raise ValueError(msg)
        if self.maintenance_margin > self.initial_margin:
            msg = f"{self.symbol}: maintenance_margin {self.maintenance_margin} is above initial_margin"
            raise ValueError(msg)

    @property
    def max_leverage(self) -> Decimal:
        """The highest leverage: one over the initial margin fraction."""
        return 1 / self.initial_margin
