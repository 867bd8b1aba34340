"""
What the local venue lists: perpetuals that trade, and the options, futures, spot, settled and unopened rows that
stand among them at the real venue, so that a client has to filter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from perpkit.sim.venues.paradex.config import SETTLEMENT_ASSET

D = Decimal
_OPENED_MS = 1_698_756_879_745
_SETTLED_MS = 1_735_286_400_000
_FAR_MS = 4_102_444_800_000


@dataclass(frozen=True, slots=True)
class MakerTaker:
    """Fee rates, fractions of notional; a negative rate is a rebate."""

    maker: Decimal
    taker: Decimal


@dataclass(frozen=True, slots=True)
class Listing:
    """A row of ``GET /markets``."""

    symbol: str
    base: str
    index_price: Decimal
    """Where the index starts. For an option the price of the option itself."""
    tick_size: Decimal
    step_size: Decimal
    min_notional: Decimal = D(10)
    max_order_size: Decimal = D(100)
    position_limit: Decimal = D(1000)
    max_open_orders: int = 100
    price_band: Decimal = D("0.05")
    max_slippage: Decimal = D("0.05")
    funding_period_hours: int = 8
    funding_rate: Decimal = D("0.0001")
    """Where the rate begins, per the market's own period; positive: longs pay."""
    imf: Decimal = D("0.02")
    mmf_factor: Decimal = D("0.5")
    api_fee: MakerTaker = MakerTaker(D(0), D("0.0003"))
    interactive_fee: MakerTaker = MakerTaker(D(0), D(0))
    rpi_fee: MakerTaker = MakerTaker(D("-0.00005"), D(0))
    kind: str = "PERP"
    open_at_ms: int = _OPENED_MS
    expiry_at_ms: int = 0
    quote: str = "USD"
    tags: tuple[str, ...] = ()
    strike: Decimal | None = None
    option_type: str | None = None
    feed_id: str = "GVXRSBjFk6e6J3NbVPXohDJetcTjaeeuykUpbQF8UoMU"
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def trades(self) -> bool:
        """Tell whether orders can be placed in it here: an open perpetual."""
        return self.kind == "PERP" and self.expiry_at_ms == 0 and self.open_at_ms <= _OPENED_MS

    def row(self) -> dict[str, Any]:
        """Return the row as the wire has it."""
        row: dict[str, Any] = {
            "symbol": self.symbol,
            "base_currency": self.base,
            "quote_currency": self.quote,
            "settlement_currency": SETTLEMENT_ASSET,
            "order_size_increment": number(self.step_size),
            "price_tick_size": number(self.tick_size),
            "min_notional": number(self.min_notional),
            "open_at": self.open_at_ms,
            "expiry_at": self.expiry_at_ms,
            "asset_kind": self.kind,
            "market_kind": "cross",
            "trading_mode": "STANDARD",
            "position_limit": number(self.position_limit),
            "price_bands_width": number(self.price_band),
            "max_slippage": number(self.max_slippage),
            "iv_bands_width": "0.05",
            "max_open_orders": self.max_open_orders,
            "max_order_size": number(self.max_order_size),
            "max_funding_rate": "0.05",
            "max_funding_rate_change": "0.0005",
            "max_tob_spread": "0.2",
            "clamp_rate": "0.0005",
            "interest_rate": "0.0001",
            "funding_multiplier": 1,
            # Only a perpetual funds: other rows carry a period of zero.
            "funding_period_hours": self.funding_period_hours if self.kind == "PERP" else 0,
            "price_feed_id": self.feed_id,
            "oracle_ewma_factor": "0.2",
            "tags": list(self.tags),
            "fee_config": {
                "api_fee": _fees(self.api_fee),
                "interactive_fee": _fees(self.interactive_fee),
                "rpi_fee": _fees(self.rpi_fee),
            },
        }
        if self.kind in {"PERP", "FUTURE"}:
            row["delta1_cross_margin_params"] = {
                "imf_base": number(self.imf),
                "imf_shift": "0",
                "imf_factor": "0",
                "mmf_factor": number(self.mmf_factor),
            }
        if self.kind in {"OPTION", "PERP_OPTION"}:
            margin = {
                "long_itm": "0.2",
                "premium_multiplier": "1.2",
                "short_itm": "0.4",
                "short_otm": "0.25",
                "short_put_cap": "0.5",
            }
            row["option_cross_margin_params"] = {"imf": margin, "mmf": margin}
            row["strike_price"] = number(self.strike or D(0))
            row["option_type"] = self.option_type
        return row


def number(value: Decimal) -> str:
    """Write a decimal the way the venue does: plain digits, no exponent, no trailing zeros."""
    if not value:
        return "0"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _fees(fees: MakerTaker) -> dict[str, Any]:
    return {"maker_fee": {"fee": number(fees.maker)}, "taker_fee": {"fee": number(fees.taker)}}


LISTINGS: tuple[Listing, ...] = (
    Listing("BTC-USD-PERP", "BTC", D(100000), D("0.1"), D("0.00001"), tags=("LAYER-1",)),
    Listing(
        "ETH-USD-PERP",
        "ETH",
        D(4000),
        D("0.01"),
        D("0.0001"),
        max_order_size=D(1000),
        position_limit=D(10000),
        # A rebate, so that a client which drops the sign of a fee is found out.
        api_fee=MakerTaker(D("-0.00005"), D("0.0003")),
        tags=("LAYER-1",),
    ),
    Listing(
        "SOL-USD-PERP",
        "SOL",
        D(200),
        D("0.001"),
        D("0.01"),
        max_order_size=D(20000),
        position_limit=D(100000),
        funding_period_hours=4,
        funding_rate=D("-0.00012"),
        imf=D("0.05"),
    ),
    Listing(
        "kPEPE-USD-PERP",
        "kPEPE",
        D("0.0125"),
        D("0.0000001"),
        D(10),
        max_order_size=D(100000000),
        position_limit=D(1000000000),
        funding_period_hours=24,
        funding_rate=D("0.0009"),
        imf=D("0.1"),
        tags=("MEME",),
    ),
    Listing("LUNA-USD-PERP", "LUNA", D("0.5"), D("0.0001"), D(1), max_order_size=D(1000000), expiry_at_ms=_SETTLED_MS),
    Listing("SOON-USD-PERP", "SOON", D(1), D("0.0001"), D(1), max_order_size=D(1000000), open_at_ms=_FAR_MS),
    # On a base without a perpetual: ccxt gives a dated future the symbol of the perpetual on its base.
    Listing("XAU-USD-25DEC26", "XAU", D(4100), D("0.1"), D("0.001"), kind="FUTURE", expiry_at_ms=1_798_185_600_000),
    Listing(
        "BTC-USD-25DEC26-100000-C",
        "BTC",
        D(5000),
        D(1),
        D("0.001"),
        kind="OPTION",
        expiry_at_ms=1_798_185_600_000,
        strike=D(100000),
        option_type="CALL",
    ),
    Listing(
        "ETH-USD-4000-P",
        "ETH",
        D(150),
        D("0.1"),
        D("0.01"),
        kind="PERP_OPTION",
        strike=D(4000),
        option_type="PUT",
    ),
    Listing("DIME-USD", "DIME", D("0.1"), D("0.0001"), D(1), max_order_size=D(1000000), kind="SPOT"),
)
