"""
A server of these tests' own that says what it is told to, and remembers what it was asked. It knows no exchange: for
that there is the local Paradex, which is another reading of the contract and is tried in ``tests/integration``.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from perpkit.core.opening import open_venue
from perpkit.core.transport.ratelimit import RateLimiterRegistry

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


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Says:
    """One answer. ``hang`` takes the request and never answers; ``drop`` closes the connection instead."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    drop: bool = False


def no(code: str, message: str = "words", status: int = 400) -> Says:
    """The venue's envelope of a refusal."""
    return Says({"error": code, "message": message}, status)


def token(number: int, life: int = 300) -> str:
    """A JWT of a certain life that can be told from others."""
    claims = base64.urlsafe_b64encode(json.dumps({"iat": 1000, "exp": 1000 + life, "n": number}).encode()).decode()
    return f"eyJhbGciOiJFUzM4NCJ9.{claims.rstrip('=')}.c2ln{number}"


class StubVenue:
    """``async with StubVenue() as stub``: then ``stub.say(...)``, ``stub.open(...)``, ``stub.asked``."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.calls: list[dict[str, Any]] = []
        self.sign_ins = 0
        self.token_life = 300
        self.rpc: Callable[[dict[str, Any]], Any] = lambda call: {"result": {}}
        self._answers: dict[str, list[Any]] = defaultdict(list)
        self._release = asyncio.Event()
        self._sockets: set[web.WebSocketResponse] = set()
        self.say("GET /markets", {"results": [MARKET_ROW]})
        self.say("GET /system/config", {"starknet_chain_id": CHAIN})
        self.say("GET /system/time", lambda _: Says({"server_time": str(self.time_ms())}))
        self.time_ms: Callable[[], int] = lambda: __import__("time").time_ns() // 1_000_000

    def say(self, request: str, *answers: Any) -> None:
        """Queue answers for ``METHOD /path``; the last one stays. A callable is asked with the request."""
        self._answers[request] = [each if isinstance(each, Says) or callable(each) else Says(each) for each in answers]

    def requests(self, request: str) -> list[Asked]:
        """Return what was asked of one ``METHOD /path``."""
        return [each for each in self.asked if f"{each.method} {each.path}" == request]

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

    async def __aenter__(self) -> StubVenue:
        app = web.Application()
        app.router.add_get("/ws", self._socket)
        app.router.add_route("*", "/v1/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url, self.ws_url = f"http://127.0.0.1:{port}/v1", f"ws://127.0.0.1:{port}/ws"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._release.set()
        await self.drop_sockets()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        path = "/" + request.match_info["path"]
        asked = Asked(
            request.method, path, dict(request.query), dict(request.headers), json.loads(raw) if raw else None
        )
        self.asked.append(asked)
        if path.startswith("/auth/"):
            self.sign_ins += 1
            if not self._answers.get("POST /auth"):
                return web.json_response({"jwt_token": token(self.sign_ins, self.token_life)})
            path = "/auth"
        queue = self._answers.get(f"{request.method} {path}")
        if not queue:
            return web.json_response({"error": "NOT_FOUND", "message": f"the stub knows no {path}"}, status=404)
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
