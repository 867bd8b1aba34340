"""The server: perpkit's exchange behind Toy's routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web
from perpkit.sim.clock import SimClock
from perpkit.sim.events import Event
from perpkit.sim.exchange import Exchange, ExchangeConfig
from perpkit.sim.fault_injection import FrameGate
from perpkit.sim.markets import FeeRates, MarketSpec
from perpkit.sim.orders import RequestRefusedError
from perpkit.sim.server import SimServer

from perpkit_toy.local.doorman import (
    Doorman,
    LocalAccount,
    RefusedError,
    check_body,
    check_query,
    contract,
    make_account,
)
from perpkit_toy.local.rest import ROUTES, Call, Handler, refused
from perpkit_toy.local.stream import Connection

BASE = "/v1"


def _spec(symbol: str, base: str, index: str, tick: str, step: str, max_size: str, hours: int) -> MarketSpec:
    return MarketSpec(
        symbol=symbol,
        base=base,
        index_price=Decimal(index),
        tick_size=Decimal(tick),
        step_size=Decimal(step),
        min_notional=Decimal(10),
        max_size=Decimal(max_size),
        price_band=Decimal("0.1"),
        fees=FeeRates(Decimal("0.0001"), Decimal("0.0005")),
        funding_rate=Decimal("0.0001"),
        funding_period=timedelta(hours=hours),
    )


MARKETS = (
    _spec("BTC_PERP", "BTC", "100000", "0.1", "0.0001", "100", 8),
    _spec("ETH_PERP", "ETH", "4000", "0.01", "0.001", "1000", 1),
    _spec("1000PEPE_PERP", "1000PEPE", "0.01", "0.000001", "10", "100000000", 4),
)


class LocalToy(SimServer):
    """
    A Toy on this machine. ``async with LocalToy() as venue`` starts it.

    ``venue.url``, ``venue.ws_url``, ``venue.accounts`` and ``venue.control`` are what a client and a test need.
    """

    rest_prefix = BASE

    def __init__(
        self,
        *,
        seed: int = 7,
        accounts: int = 2,
        deposit: Decimal = Decimal(100_000),
        clock: SimClock | None = None,
        **options: Any,
    ) -> None:
        exchange = Exchange(clock or SimClock(), ExchangeConfig(seed=seed))
        super().__init__(exchange, **options)
        for spec in MARKETS:
            exchange.add_market(spec)
        self.accounts: list[LocalAccount] = [make_account(seed, number) for number in range(accounts)]
        for account in self.accounts:
            exchange.add_account(account.id, deposit)
        self._doorman = Doorman(exchange.clock, self.accounts)
        self._connections: set[Connection] = set()
        self._unsubscribe: Callable[[], None] | None = None

    def add_routes(self, app: web.Application) -> None:
        """Register the WebSocket and an operation of the contract for each route."""
        app.router.add_get(self.ws_path, self._connect)
        for (method, path), handler in ROUTES.items():
            operation = contract()["paths"][path][method]
            app.router.add_route(method, BASE + path, self._serving(operation, handler))
        app.router.add_route("*", "/{anything:.*}", _unknown)

    def expire_tokens(self) -> None:
        """Forget who was counted: there are no tokens here, each request is signed by itself."""
        self._doorman = Doorman(self.clock, self.accounts)

    async def on_start(self) -> None:
        """Listen to the exchange."""
        self._unsubscribe = self.exchange.subscribe(self._tell)

    async def on_stop(self) -> None:
        """Let every client go."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        for connection in list(self._connections):
            await connection.close()

    def _tell(self, event: Event) -> None:
        for connection in self._connections:
            connection.tell(event)

    def _serving(self, operation: dict[str, Any], handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def serve(request: web.Request) -> web.Response:
            try:
                return web.json_response(await self._serve(operation, handler, request))
            except RequestRefusedError as error:
                return _say_no(refused(error))
            except RefusedError as refusal:
                return _say_no(refusal)

        return serve

    async def _serve(self, operation: dict[str, Any], handler: Handler, request: web.Request) -> dict[str, Any]:
        self._doorman.count(request.remote or "unknown")
        raw = await request.read()
        account = ""
        if "security" in operation:
            key, time, signature = (request.headers.get(name) for name in ("X-Api-Key", "X-Time", "X-Signature"))
            target = request.path.removeprefix(BASE)
            if request.query:
                target += "?" + "&".join(f"{name}={value}" for name, value in sorted(request.query.items()))
            account = self._doorman.admit(key, time, signature, f"{request.method}\n{target}\n{raw.decode()}").id
        check_query(operation, request.query)
        body = check_body(operation, raw)
        call = Call(self.exchange, account, request.query, request.match_info, body)
        return handler(call)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        if not socket.can_prepare(request).ok:
            return _say_no(RefusedError(404, "not_found", "this path speaks WebSocket"))
        await socket.prepare(request)
        transport = request.transport

        def abort() -> None:
            if transport is not None:
                transport.abort()

        gate = FrameGate(socket, self.faults, self.clock, abort)
        connection = Connection(socket, gate, self.exchange, self._doorman)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
        return socket


async def _unknown(request: web.Request) -> web.Response:
    return _say_no(RefusedError(404, "not_found", f"{request.method} {request.path}: no such path"))


def _say_no(refusal: RefusedError) -> web.Response:
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after is not None else {}
    return web.json_response(refusal.body, status=refusal.status, headers=headers)
