"""
A Paradex that says what it is told to, over REST and as the JSON-RPC of its WebSocket.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from perpkit.core.opening import open_venue
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from tests.adapters.stub import Asked, Says, StubServer

KEY = "0x4d2"
ACCOUNT = "0x4638e3041366aa71720be63e32e53e1223316c7f0d56f7aa617542ed1e7512"
CHAIN = "PRIVATE_SN_POTC_SEPOLIA"

MARKET_ROW = {
    "symbol": "BTC-USD-PERP",
    "base_currency": "BTC",
    "quote_currency": "USD",
    "settlement_currency": "USDC",
    "order_size_increment": "0.001",
    "price_tick_size": "0.1",
    "min_notional": "10",
    "max_order_size": "100",
    "asset_kind": "PERP",
    "funding_period_hours": 8,
    "open_at": 0,
    "expiry_at": 0,
    "fee_config": {"api_fee": {"maker_fee": {"fee": "0"}, "taker_fee": {"fee": "0.0003"}}},
    "delta1_cross_margin_params": {"imf_base": "0.02", "imf_factor": "0", "imf_shift": "0", "mmf_factor": "0.5"},
}


def no(code: str, message: str = "words", status: int = 400) -> Says:
    """The venue's envelope of a refusal."""
    return Says({"error": code, "message": message}, status)


def token(number: int, life: int = 300) -> str:
    """A JWT of a certain life that can be told from others."""
    claims = base64.urlsafe_b64encode(json.dumps({"iat": 1000, "exp": 1000 + life, "n": number}).encode()).decode()
    return f"eyJhbGciOiJFUzM4NCJ9.{claims.rstrip('=')}.c2ln{number}"


class StubVenue(StubServer):
    """``stub.say(...)``, ``stub.open(...)``, ``stub.asked``; ``rpc`` answers the calls of the WebSocket."""

    prefix = "/v1"

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[dict[str, Any]] = []
        self.token_life = 300
        self.rpc: Callable[[dict[str, Any]], Any] = lambda call: {"result": {}}
        self._sockets: set[web.WebSocketResponse] = set()
        self.say("GET /markets", {"results": [MARKET_ROW]})
        self.say("GET /system/config", {"starknet_chain_id": CHAIN})
        self.say("GET /system/time", lambda _: Says({"server_time": str(self.time_ms())}))
        self.time_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
        self.say("POST /auth", lambda _: Says({"jwt_token": token(self.sign_ins, self.token_life)}))

    @property
    def ws_url(self) -> str:
        """Where the WebSocket is."""
        return f"ws://{self.host}/ws"

    @property
    def sign_ins(self) -> int:
        """How often a token was asked for."""
        return sum(each.path.startswith("/auth/") for each in self.asked)

    def hear(self, asked: Asked) -> str:
        """Every sign-in is answered as one, whoever's it is."""
        return f"{asked.method} /auth" if asked.path.startswith("/auth/") else super().hear(asked)

    def unknown(self, asked: Asked) -> Says:
        """The venue's refusal of a path that it does not have."""
        return no("NOT_FOUND", f"the stub knows no {asked.path}", 404)

    def add_routes(self, app: web.Application) -> None:
        """The WebSocket."""
        app.router.add_get("/ws", self._socket)

    def open(self, **settings: Any) -> Any:
        """Return a venue that talks to this server, with a subkey unless told otherwise."""
        if not {"private_key", "readonly_token", "subkey", "keyless"} & set(settings):
            settings |= {"subkey": KEY, "account": ACCOUNT}
        settings.pop("keyless", None)
        limits = RateLimiterRegistry()
        return open_venue(
            "paradex",
            "local",
            rest_url=self.url,
            ws_url=self.ws_url,
            environ={},
            limits=limits,
            self_check=False,
            **settings,
        )

    async def drop_sockets(self) -> None:
        """Break every WebSocket."""
        for socket in list(self._sockets):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()

    async def __aexit__(self, *_: object) -> None:
        await self.drop_sockets()
        await super().__aexit__(*_)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.add(socket)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            call = json.loads(message.data)
            self.calls.append(call)
            answer = self.rpc(call)
            if answer == "drop":
                if request.transport is not None:
                    request.transport.abort()
            elif answer is not None:
                await socket.send_json({"jsonrpc": "2.0", "id": call["id"], **answer})
        self._sockets.discard(socket)
        return socket
