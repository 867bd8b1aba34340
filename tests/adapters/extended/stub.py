"""
An Extended that says what it is told to.
"""

from __future__ import annotations

from typing import Any

from perpkit.core.opening import open_venue
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from tests.adapters.extended.conftest import VECTORS
from tests.adapters.stub import Asked, Says, StubServer

API_KEY = "0f7a1c9d4e2b48a6b3c5d7e9f1a2b3c4"
CREDENTIALS = {
    "api_key": API_KEY,
    "stark_private_key": VECTORS["private_key"],
    "stark_public_key": VECTORS["public_key"],
    "vault": VECTORS["vault"],
}

MARKET_ROW = {
    "name": "BTC-USD",
    "type": "PERPETUAL",
    "assetName": "BTC",
    "collateralAssetName": "USD",
    "active": True,
    "isRfq": False,
    "isOffHours": False,
    "status": "ACTIVE",
    "marketStats": {
        "dailyVolume": "91500250.125000",
        "dailyVolumeBase": "1089.20011",
        "lastPrice": "84010",
        "askPrice": "84011",
        "bidPrice": "84010",
        "markPrice": "84005.125000000001",
        "indexPrice": "84021.500000000002",
        "fundingRate": "0.000013",
        "nextFundingRate": 1788267600000,
        "openInterest": "42000500.250000",
        "openInterestBase": "500.01250",
    },
    "tradingConfig": {
        "minOrderSize": "0.0001",
        "minOrderSizeChange": "0.00001",
        "minPriceChange": "1",
        "maxMarketOrderValue": "3000000",
        "maxLimitOrderValue": "15000000",
        "maxPositionValue": "60000000",
        "maxLeverage": "50.00",
        "hourlyFundingRateCap": "0.25",
        "maxNumOrders": "200",
        "limitPriceCap": "0.05",
        "limitPriceFloor": "0.05",
        "riskFactorConfig": [
            {"upperBound": "4000000", "riskFactor": "0.02", "isAvailableForUsers": True},
            {"upperBound": "8000000", "riskFactor": "0.04", "isAvailableForUsers": True},
        ],
    },
    "l2Config": {"type": "STARKX", **VECTORS["markets"]["BTC-USD"]},
    "createdAt": 1752829532673,
}

ACCOUNT = {"accountId": 104217, "status": "ACTIVE", "l2Key": VECTORS["public_key"], "l2Vault": str(VECTORS["vault"])}
DOMAIN = {"name": "Perpetuals", "version": "v0", "chainId": "SN_SEPOLIA", "revision": 1}
FEES = [{"market": "BTC-USD", "makerFeeRate": "0.00000", "takerFeeRate": "0.00025", "builderFeeRate": "0.0001"}]


def ok(data: Any, **more: Any) -> Says:
    """The venue's envelope of a yes."""
    return Says({"status": "OK", "data": data, **more})


def no(code: int | str, message: str = "words", status: int = 400) -> Says:
    """The venue's envelope of a no."""
    return Says({"status": "ERROR", "error": {"code": code, "message": message}}, status)


class StubVenue(StubServer):
    """``stub.say(...)``, ``stub.open(...)``, ``stub.asked``."""

    prefix = "/api/v1"

    def __init__(self) -> None:
        super().__init__()
        self.say("GET /info/markets", ok([MARKET_ROW]))
        self.say("GET /info/starknet", ok(DOMAIN))
        self.say("GET /user/account/info", ok(ACCOUNT))
        self.say("GET /user/fees", ok(FEES))

    def unknown(self, asked: Asked) -> Says:
        """The venue's refusal of a path that it does not have."""
        return no(1006, f"the stub knows no {asked.path}", 500)

    def open(self, **settings: Any) -> Any:
        """Return a venue that talks to this server, with a whole set of credentials unless told otherwise."""
        if not settings.pop("keyless", False):
            settings = {**CREDENTIALS, **settings}
        settings = {name: value for name, value in settings.items() if value is not None}
        return open_venue("extended", "local", rest_url=self.url, environ={}, limits=RateLimiterRegistry(), **settings)
