"""
A server of these tests' own that says what it is told to, and remembers what it was asked. It knows no exchange: for
that there is the local Extended, which is another reading of the venue and is tried in ``tests/integration``.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from perpkit.core.opening import open_venue
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from tests.adapters.extended.conftest import VECTORS

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


@dataclass
class Asked:
    """One request; a query name may stand several times."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: Any

    def get(self, name: str) -> str | None:
        """The first value of a query name."""
        return dict(reversed(self.query)).get(name)


@dataclass
class Says:
    """One answer. ``hang`` takes the request and never answers; ``drop`` closes the connection instead."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    drop: bool = False


def ok(data: Any, **more: Any) -> Says:
    """The venue's envelope of a yes."""
    return Says({"status": "OK", "data": data, **more})


def no(code: int | str, message: str = "words", status: int = 400) -> Says:
    """The venue's envelope of a no."""
    return Says({"status": "ERROR", "error": {"code": code, "message": message}}, status)


class StubVenue:
    """``async with StubVenue() as stub``: then ``stub.say(...)``, ``stub.open(...)``, ``stub.asked``."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: dict[str, list[Any]] = defaultdict(list)
        self._release = asyncio.Event()
        self.say("GET /info/markets", ok([MARKET_ROW]))
        self.say("GET /info/starknet", ok(DOMAIN))
        self.say("GET /user/account/info", ok(ACCOUNT))
        self.say("GET /user/fees", ok(FEES))

    def say(self, request: str, *answers: Any) -> None:
        """Queue answers for ``METHOD /path``; the last one stays. A callable is asked with the request."""
        self._answers[request] = [each if isinstance(each, Says) or callable(each) else Says(each) for each in answers]

    def requests(self, request: str) -> list[Asked]:
        """Return what was asked of one ``METHOD /path``."""
        return [each for each in self.asked if f"{each.method} {each.path}" == request]

    def open(self, **settings: Any) -> Any:
        """Return a venue that talks to this server, with a whole set of credentials unless told otherwise."""
        if not settings.pop("keyless", False):
            settings = {**CREDENTIALS, **settings}
        settings = {name: value for name, value in settings.items() if value is not None}
        return open_venue("extended", "local", rest_url=self.url, environ={}, limits=RateLimiterRegistry(), **settings)

    async def __aenter__(self) -> StubVenue:
        app = web.Application()
        app.router.add_route("*", "/api/v1/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/api/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._release.set()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        path = "/" + request.match_info["path"]
        asked = Asked(
            request.method,
            path,
            list(request.query.items()),
            dict(request.headers),
            json.loads(raw) if raw else None,
        )
        self.asked.append(asked)
        queue = self._answers.get(f"{request.method} {path}")
        if not queue:
            return web.json_response(
                {"status": "ERROR", "error": {"code": 1006, "message": f"the stub knows no {path}"}}, status=500
            )
        says = queue[0] if len(queue) == 1 else queue.pop(0)
        if not isinstance(says, Says):
            says = says(asked)
        if says.hang:
            await self._release.wait()
        if says.hang or says.drop:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if isinstance(says.body, str):
            return web.Response(text=says.body, status=says.status, headers=says.headers)
        if says.body is None:
            return web.Response(status=says.status, headers=says.headers)
        return web.json_response(says.body, status=says.status, headers=says.headers)
