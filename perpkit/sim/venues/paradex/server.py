"""
A local Paradex: REST and WebSocket under ``/v1`` on 127.0.0.1, over an exchange of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

from aiohttp import web

from perpkit.sim.clock import SimClock
from perpkit.sim.exchange import Exchange, ExchangeConfig
from perpkit.sim.streaming import StreamingServer
from perpkit.sim.venues.paradex import routes_account, routes_keys, routes_market, routes_orders
from perpkit.sim.venues.paradex.accounts import LocalAccount
from perpkit.sim.venues.paradex.connection import PING_INTERVAL_S, PONG_TIMEOUT_S, QUEUE_LIMIT, Connection
from perpkit.sim.venues.paradex.errors import ApiError
from perpkit.sim.venues.paradex.gateway import BASE_PATH, Gateway, respond
from perpkit.sim.venues.paradex.hub import Hub
from perpkit.sim.venues.paradex.limits import headers_of
from perpkit.sim.venues.paradex.listing import LISTINGS, Listing
from perpkit.sim.venues.paradex.rpc import Rpc
from perpkit.sim.venues.paradex.venue import Settings, Venue

ROUTES = (*routes_market.ROUTES, *routes_keys.ROUTES, *routes_account.ROUTES, *routes_orders.ROUTES)
DEPOSIT = Decimal(100_000)


class LocalParadex(StreamingServer[Connection]):
    """
    A Paradex on this machine, for anybody: it checks every signature, and its money is worth nothing.

    ``async with LocalParadex() as venue`` starts it. ``venue.url`` and ``venue.ws_url`` are what a client is pointed
    at, ``venue.accounts`` its keys, ``venue.control`` the back door.

    Args:
        port: 0 lets the system choose one.
        seed: Keys, ids, prices and liquidity follow from it.
        accounts: How many accounts to open.
        deposit: USDC that each starts with.
        clock: Manual unless told otherwise; ``SimClock.real_time()`` follows the machine's.
        liquidity: Quote around the index in the background.
        settings: Environment, strictness and rate limits; its seed is replaced by ``seed``.
        listings: What is listed.
        queue_limit: Frames that may wait for a client before it is cut off.
        ping_interval_s: Between protocol pings of the WebSocket, on the machine's clock.
        pong_timeout_s: How long a pong may take.
    """

    rest_prefix = BASE_PATH
    ws_path = BASE_PATH

    def __init__(
        self,
        *,
        port: int = 0,
        seed: int = 7,
        accounts: int = 2,
        deposit: Decimal = DEPOSIT,
        clock: SimClock | None = None,
        liquidity: bool = False,
        settings: Settings | None = None,
        listings: Iterable[Listing] = LISTINGS,
        queue_limit: int = QUEUE_LIMIT,
        ping_interval_s: float = PING_INTERVAL_S,
        pong_timeout_s: float = PONG_TIMEOUT_S,
        tick_every: timedelta = timedelta(milliseconds=100),
    ) -> None:
        exchange = Exchange(clock or SimClock(), ExchangeConfig(seed=seed))
        self.venue = Venue(exchange, listings, replace(settings or Settings(), seed=seed))
        self.accounts: list[LocalAccount] = [self.venue.add_local_account(i, deposit) for i in range(accounts)]
        self._hub = Hub(self.venue)
        self._rpc = Rpc(self.venue, self._hub)
        super().__init__(
            exchange,
            self._hub,
            port=port,
            tick_every=tick_every,
            liquidity=liquidity,
            queue_limit=queue_limit,
            ping_interval_s=ping_interval_s,
            pong_timeout_s=pong_timeout_s,
        )

    @property
    def deviations(self) -> list[str]:
        """What clients sent beyond the contract and the venue let pass."""
        return self.venue.deviations

    def add_routes(self, app: web.Application) -> None:
        """Register the WebSocket and every REST route."""
        app.router.add_get(BASE_PATH, self._connect)
        Gateway(self.venue, ROUTES).add_to(app)

    def expire_tokens(self) -> None:
        """Let every 5-minute token expire now."""
        self.venue.authority.expire_all(self.venue.now_s())

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        allowance = self.venue.limiter.take("connect", request.remote or "unknown")
        if not allowance.allowed:
            refusal = ApiError("REQUEST_NOT_ALLOWED", "too many new connections", status=429)
            return respond(429, refusal.body(), headers_of(allowance))
        socket = await self.open_socket(request)
        if socket is None:
            return respond(404, ApiError("NOT_FOUND", f"{request.method} {request.path}: no such path").body())
        with self.admitted(request, socket, Connection, self._rpc.leave) as connection:
            await connection.run(partial(self._rpc.receive, connection))
        return socket
