"""
A local Lighter: REST under ``/api/v1`` and the WebSocket ``/stream`` on 127.0.0.1, over an exchange of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

from aiohttp import web

from perpkit.sim.clock import SimClock
from perpkit.sim.connection import QUEUE_LIMIT
from perpkit.sim.exchange import Exchange, ExchangeConfig
from perpkit.sim.streaming import StreamingServer
from perpkit.sim.venues.lighter import routes_account, routes_market
from perpkit.sim.venues.lighter.accounts import LocalAccount
from perpkit.sim.venues.lighter.config import Settings
from perpkit.sim.venues.lighter.connection import PING_INTERVAL_S, PROTOCOL_PING_S, SILENCE_S, Connection
from perpkit.sim.venues.lighter.errors import ApiError
from perpkit.sim.venues.lighter.gateway import Gateway, respond
from perpkit.sim.venues.lighter.hub import Hub
from perpkit.sim.venues.lighter.limits import CONNECTS
from perpkit.sim.venues.lighter.listing import LISTINGS, Listing
from perpkit.sim.venues.lighter.sequencer import Sequencer
from perpkit.sim.venues.lighter.session import Session
from perpkit.sim.venues.lighter.venue import Venue

ROUTES = (*routes_market.ROUTES, *routes_account.ROUTES)
DEPOSIT = Decimal(100_000)


class LocalLighter(StreamingServer[Connection]):
    """
    A Lighter on this machine, for anybody: it checks every signature, and its money is worth nothing.

    ``async with LocalLighter() as venue`` starts it. ``venue.url`` and ``venue.ws_url`` are what a client is pointed
    at, ``venue.accounts`` its keys, ``venue.control`` the back door. To the exchange an account's name is its index
    as text, a market's its symbol.

    Args:
        port: 0 lets the system choose one.
        seed: Keys, prices and liquidity follow from it.
        accounts: How many accounts to open.
        deposit: USDC that each starts with.
        clock: Manual unless told otherwise; ``SimClock.real_time()`` follows the machine's.
        liquidity: Quote around the index in the background.
        settings: Tier, delays, strictness and rate limits; its seed is replaced by ``seed``.
        listings: What is listed.
        queue_limit: Frames that may wait for a client before it is cut off.
        ping_interval_s: Between the venue's ``ping`` frames, on the machine's clock.
        silence_s: After how long a client that sends nothing is let go.
    """

    ws_path = "/stream"

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
        silence_s: float = SILENCE_S,
        tick_every: timedelta = timedelta(milliseconds=100),
    ) -> None:
        exchange = Exchange(clock or SimClock(), ExchangeConfig(seed=seed))
        self.venue = Venue(exchange, listings, replace(settings or Settings(), seed=seed))
        self.accounts: list[LocalAccount] = [self.venue.add_local_account(i, deposit) for i in range(accounts)]
        self._hub = Hub(self.venue)
        self.sequencer = Sequencer(self.venue, self._hub.tell_transaction)
        self._session = Session(self.venue, self._hub, self.sequencer)
        self._venue_ping_s = ping_interval_s
        self._silence_s = silence_s
        super().__init__(
            exchange,
            self._hub,
            port=port,
            tick_every=tick_every,
            liquidity=liquidity,
            queue_limit=queue_limit,
            ping_interval_s=PROTOCOL_PING_S,
            pong_timeout_s=PROTOCOL_PING_S,
        )

    def add_routes(self, app: web.Application) -> None:
        """Register the WebSocket and every REST route."""
        app.router.add_get(self.ws_path, self._connect)
        Gateway(self.venue, self.sequencer, ROUTES).add_to(app)

    async def on_start(self) -> None:
        """Begin to listen to the exchange and to ping, and quote if asked."""
        await super().on_start()
        self.spawn(self._keep_alive(), name="lighter pings")

    def expire_tokens(self) -> None:
        """Let every token that was shown so far count as expired."""
        self.venue.authority.expire_all()

    def announce_shutdown(self, close_in: timedelta) -> None:
        """Tell every client that its connection will be closed, as the venue does before maintenance."""
        for connection in self.clients:
            connection.send("shutdown", {"type": "shutdown", "close_in_ms": close_in // timedelta(milliseconds=1)})

    async def _keep_alive(self) -> None:
        """Ping every client, and let go of those that were silent too long."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(self._venue_ping_s, self._silence_s))
            for connection in list(self.clients):
                if loop.time() - connection.heard_at >= self._silence_s:
                    connection.close(reason="silent for too long")
                else:
                    connection.send("ping", {"type": "ping"})

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        address = request.remote or "unknown"
        try:
            self.venue.budgets.spend("connects", address, 1, CONNECTS)
        except ApiError:
            return respond(ApiError(23003).body(), 429)
        if len(self.clients) >= self.venue.settings.connections:
            return respond(ApiError(23003).body(), 429)
        socket = await self.open_socket(request)
        if socket is None:
            return respond(ApiError(29404).body(), 404)
        is_readonly = request.query.get("readonly") == "true"
        options = {"is_readonly": is_readonly, "address": address}
        with self.admitted(request, socket, Connection, self._session.leave, **options) as connection:
            connection.send("connected", {"session_id": f"{connection.name:032x}", "type": "connected"})
            await connection.run(partial(self._session.receive, connection))
        return socket
