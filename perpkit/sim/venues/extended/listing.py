"""
What the local venue lists: perpetuals that trade, and the spot, delisted and unopened rows that stand among them at the
real venue, so that a client has to filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from perpkit.sim.money import divide, places
from perpkit.sim.venues.extended.numbers import number
from perpkit.sim.venues.extended.settings import COLLATERAL, COLLATERAL_ID, COLLATERAL_RESOLUTION
from perpkit.sim.venues.extended.settlement import L2Config

D = Decimal
CREATED_MS = 1_752_829_532_673


@dataclass(frozen=True, slots=True)
class RiskBand:
    """Positions worth up to ``upper_bound`` need this fraction as initial margin, at least."""

    upper_bound: Decimal
    risk_factor: Decimal
    for_users: bool = True


@dataclass(frozen=True, slots=True)
class Listing:
    """A row of ``GET /info/markets``."""

    symbol: str
    base: str
    index_price: Decimal
    """Where the index starts."""
    tick_size: Decimal
    step_size: Decimal
    min_size: Decimal
    synthetic_id: int
    synthetic_resolution: int
    asset_id: int
    max_leverage: Decimal = D(50)
    max_market_value: Decimal = D(3_000_000)
    max_limit_value: Decimal = D(15_000_000)
    max_position_value: Decimal = D(60_000_000)
    max_open_orders: int = 200
    price_band: Decimal = D("0.05")
    funding_rate: Decimal = D("0.000013")
    """Where the rate begins, per hour; positive: longs pay."""
    maker_fee: Decimal = D(0)
    taker_fee: Decimal = D("0.00025")
    maintenance_share: Decimal = D("0.5")
    """Maintenance margin as a share of the initial margin; the venue does not publish it."""
    status: str = "ACTIVE"
    """Where it begins; what trades has its status from the exchange."""
    kind: str = "PERPETUAL"
    category: str = "Crypto"
    sub_category: str = "L1"
    description: str = ""
    trading_hours: str = "CONTINUOUS"
    is_off_hours: bool = False
    is_rfq: bool = False

    @property
    def trades(self) -> bool:
        """Tell whether orders can be placed in it here."""
        return self.kind == "PERPETUAL" and self.status == "ACTIVE"

    @property
    def l2(self) -> L2Config:
        """Return what its orders are signed with."""
        return L2Config(self.synthetic_id, self.synthetic_resolution, int(COLLATERAL_ID, 16), COLLATERAL_RESOLUTION)

    def bands(self) -> tuple[RiskBand, ...]:
        """Return the margin bands: each doubles the margin of the one before; the last is beyond what users hold."""
        first = divide(D(1), self.max_leverage)
        step = self.max_position_value / 15
        bounds = (step, step * 3, step * 7, step * 15, step * 31)
        return tuple(
            RiskBand(bound, min(first * 2**place, D(1)), bound <= self.max_position_value)
            for place, bound in enumerate(bounds)
        )

    def trading_config(self) -> dict[str, Any]:
        """Return the rules as the wire has them; counts are text there too."""
        return {
            "minOrderSize": number(self.min_size),
            "minOrderSizeChange": number(self.step_size),
            "minPriceChange": number(self.tick_size),
            "maxMarketOrderValue": number(self.max_market_value),
            "maxLimitOrderValue": number(self.max_limit_value),
            "maxPositionValue": number(self.max_position_value),
            "maxLeverage": number(self.max_leverage, 2),
            "hourlyFundingRateCap": "0.25",
            "openInterestLimit": "0",
            "maxNumOrders": str(self.max_open_orders),
            "limitPriceCap": number(self.price_band),
            "limitPriceFloor": number(self.price_band),
            "riskFactorConfig": [
                {
                    "upperBound": number(band.upper_bound),
                    "riskFactor": number(band.risk_factor),
                    "isAvailableForUsers": band.for_users,
                }
                for band in self.bands()
            ],
            "uPnlWithdrawable": True,
            "postWithdrawalMarginFactor": "0.1",
        }

    def row(self, status: str, stats: dict[str, Any]) -> dict[str, Any]:
        """Return the row as the wire has it."""
        return {
            "name": self.symbol,
            "type": self.kind,
            "uiName": self.symbol,
            "category": self.category,
            "subCategory": self.sub_category,
            "assetName": self.base,
            # Not the size precision: that is minOrderSizeChange.
            "assetPrecision": places(self.step_size),
            "collateralAssetName": COLLATERAL,
            "collateralAssetPrecision": 6,
            "description": self.description or self.base,
            "active": status in {"ACTIVE", "REDUCE_ONLY"},
            "isRfq": self.is_rfq,
            "isOffHours": self.is_off_hours,
            "status": status,
            "tradingHours": self.trading_hours,
            "marketStats": stats,
            "tradingConfig": self.trading_config(),
            "l2Config": {
                "type": "STARKX",
                "collateralId": COLLATERAL_ID,
                "syntheticId": hex(self.synthetic_id),
                "syntheticResolution": self.synthetic_resolution,
                "collateralResolution": COLLATERAL_RESOLUTION,
            },
            "visibleOnUi": True,
            # Four letters, as captured.
            "referenceMarket": "null",
            "createdAt": CREATED_MS,
        }


def synthetic(name: str) -> int:
    """Return an asset's id on the chain: its short name, left-aligned in 15 bytes."""
    return int.from_bytes(name.encode("ascii").ljust(15, b"\0"), "big")


LISTINGS: tuple[Listing, ...] = (
    # The index has the noise of the venue's own float; nobody may derive a precision from it.
    Listing(
        "BTC-USD",
        "BTC",
        D("84021.500000000002"),
        D(1),
        D("0.00001"),
        D("0.0001"),
        synthetic("BTC-6"),
        1_000_000,
        2,
        description="Bitcoin",
    ),
    Listing(
        "ETH-USD",
        "ETH",
        D("3456.7"),
        D("0.1"),
        D("0.0001"),
        D("0.01"),
        synthetic("ETH-5"),
        100_000,
        3,
        funding_rate=D("-0.00002"),
        description="Ethereum",
    ),
    # A tick that is no power of ten.
    Listing(
        "SOL-USD",
        "SOL",
        D(200),
        D("0.05"),
        D("0.01"),
        D("0.1"),
        synthetic("SOL-3"),
        1_000,
        4,
        max_leverage=D(20),
        max_market_value=D(500_000),
        max_limit_value=D(2_000_000),
        max_position_value=D(6_000_000),
        # A rebate, so that a client which drops the sign of a fee is found out.
        maker_fee=D("-0.00002"),
    ),
    # Sizes beyond one whole, prices far below it.
    Listing(
        "1000PEPE-USD",
        "1000PEPE",
        D("0.0125"),
        D("0.000001"),
        D(10),
        D(1000),
        synthetic("PEPE1000-1"),
        10,
        5,
        max_leverage=D(10),
        max_market_value=D(50_000),
        max_limit_value=D(250_000),
        max_position_value=D(900_000),
        funding_rate=D("0.0002"),
        sub_category="Meme",
    ),
    Listing(
        "XAU-USD",
        "XAU",
        D(4100),
        D("0.5"),
        D("0.001"),
        D("0.01"),
        synthetic("XAU-4"),
        10_000,
        6,
        max_leverage=D(20),
        category="TradFi",
        sub_category="Commodities",
        trading_hours="WEEKDAYS",
        description="Gold",
    ),
    Listing(
        "NVDA-USD",
        "NVDA",
        D(180),
        D("0.01"),
        D("0.01"),
        D("0.1"),
        synthetic("NVDA-4"),
        10_000,
        7,
        max_leverage=D(10),
        max_position_value=D(900_000),
        category="TradFi",
        sub_category="Equities",
        trading_hours="NO_OVERNIGHT",
        is_rfq=True,
    ),
    Listing(
        "LUNA-USD",
        "LUNA",
        D("0.5"),
        D("0.0001"),
        D(1),
        D(10),
        synthetic("LUNA-2"),
        100,
        8,
        status="DELISTED",
    ),
    Listing("SOON-USD", "SOON", D(1), D("0.0001"), D(1), D(10), synthetic("SOON-2"), 100, 9, status="PRELISTED"),
    Listing(
        "wstETH-USD",
        "wstETH",
        D(4200),
        D("0.1"),
        D("0.001"),
        D("0.01"),
        synthetic("WSTETH-5"),
        100_000,
        10,
        kind="SPOT",
        sub_category="LST",
    ),
)
