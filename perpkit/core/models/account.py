"""Balances, the margin summary, positions with a signed size, leverage."""

from __future__ import annotations

from enum import StrEnum

from perpkit.core.models.base import Model, NonNegative, Number, Price, Size, UtcTime
from perpkit.core.models.market import MarketId


class MarginMode(StrEnum):
    """Whether a position draws on the whole account or on its own margin."""

    CROSS = "cross"
    ISOLATED = "isolated"


class PositionMode(StrEnum):
    """One net position a market, or a long and a short side by side."""

    ONE_WAY = "one_way"
    HEDGE = "hedge"


class PositionSide(StrEnum):
    """The direction of a position."""

    LONG = "long"
    SHORT = "short"
    FLAT = "flat"


class Balance(Model):
    """
    What the account holds of one asset.

    Attributes:
        total: Settled: deposits - withdrawals + realized PnL + funding - fees; without unrealized PnL.
        available: What can back a new order or be withdrawn, in the asset's units. None where the venue has no such
            figure for the asset.
    """

    asset: str
    total: Number
    available: Number | None = None
    sequence: int | None = None
    ts_venue: UtcTime | None = None
    ts_received: UtcTime


class AccountSummary(Model):
    """
    The account's margin, in ``asset`` units.

    Attributes:
        equity: Total balance plus unrealized PnL, and accrued funding where the venue counts it; once each.
        free_collateral: What is left for new orders.
        initial_margin: Needed for the open positions and orders.
        maintenance_margin: Below this equity the venue liquidates; None where it does not say.
    """

    account_id: str | None = None
    asset: str
    equity: Number
    free_collateral: Number
    initial_margin: NonNegative
    maintenance_margin: NonNegative | None = None
    unrealized_pnl: Number | None = None
    ts_venue: UtcTime | None = None
    ts_received: UtcTime


class Position(Model):
    """
    A position on one market.

    Attributes:
        size: Signed, base units: positive long, negative short, zero only on the one stream event that reports a close.
        entry_price: Average price of what is open; None when flat.
        unrealized_pnl: From price alone, in the settle asset; accrued funding is not in it.
        accrued_funding: Funding owed to (positive) or by (negative) the account that is not yet settled; None where the
            venue has no such figure.
        liquidation_price: None when the venue gives none, which includes 'not reachable'.
        leverage: The setting of this position, not the market's maximum.
    """

    market_id: MarketId
    size: Number
    entry_price: Price | None = None
    mark_price: Price | None = None
    unrealized_pnl: Number | None = None
    accrued_funding: Number | None = None
    realized_pnl: Number | None = None
    liquidation_price: Price | None = None
    leverage: Size | None = None
    margin_mode: MarginMode | None = None
    sequence: int | None = None
    ts_venue: UtcTime | None = None
    ts_received: UtcTime

    @property
    def side(self) -> PositionSide:
        """LONG, SHORT or FLAT, from the sign of the size."""
        if self.size > 0:
            return PositionSide.LONG
        return PositionSide.SHORT if self.size < 0 else PositionSide.FLAT


class LeverageSetting(Model):
    """The leverage and margin mode that the account has set for one market."""

    market_id: MarketId
    leverage: Size
    margin_mode: MarginMode
    max_leverage: Size | None = None
