"""
A local Extended: REST under ``/api/v1`` and both stream protocols under ``/stream.extended.exchange`` on 127.0.0.1.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

from aiohttp import web

from perpkit.sim.clock import SimClock
from perpkit.sim.connection import QUEUE_LIMIT
from perpkit.sim.exchange import Exchange, ExchangeConfig
from perpkit.sim.server import HOST
from perpkit.sim.streaming import StreamingServer
from perpkit.sim.venues.extended import routes_account, routes_market, routes_orders
from perpkit.sim.venues.extended.accounts import LocalAccount
from perpkit.sim.venues.extended.client import PING_INTERVAL_S, PONG_TIMEOUT_S, StreamClient
from perpkit.sim.venues.extended.errors import ApiError
from perpkit.sim.venues.extended.gateway import (
    Gateway,
    UnauthorizedError,
    check_user_agent,
    owner_of,
    respond,
    unknown_path,
)
from perpkit.sim.venues.extended.hub import Hub
from perpkit.sim.venues.extended.listing import LISTINGS, Listing
from perpkit.sim.venues.extended.rpc import Rpc
from perpkit.sim.venues.extended.settings import COLLATERAL, REST_PREFIX, STREAM_PREFIX, Settings
from perpkit.sim.venues.extended.topics import NoSuchTopicError, topic_of_path
from perpkit.sim.venues.extended.venue import Venue

log = logging.getLogger(__name__)

ROUTES = (*routes_market.ROUTES, *routes_account.ROUTES, *routes_orders.ROUTES)
DEPOSIT = Decimal(100_000)
FIRST_ID = 2_051_700_000_000_000_000
"""Ids are integers beyond what a double holds."""


class LocalExtended(StreamingServer[StreamClient]):
    """
    An Extended on this machine, for anybody: it checks every signature, and its money is worth nothing.

    ``async with LocalExtended() as venue`` starts it. ``venue.url``, ``venue.ws_url`` (one stream for each connection)
    and ``venue.rpc_url`` (many) are what a client is pointed at, ``venue.accounts`` its keys, ``venue.control`` the
    back door, which knows accounts by ``account_id``.

    Args:
        port: 0 lets the system choose one.
        seed: Keys, ids, prices and liquidity follow from it.
        accounts: How many sub-accounts to open; all belong to one wallet.
        deposit: USD that each starts with; with 0 they have never had any.
        clock: Manual unless told otherwise; ``SimClock.real_time()`` follows the machine's.
        liquidity: Quote around the index in the background.
        settings: Environment, strictness and rate limit; its seed is replaced by ``seed``.
        listings: What is listed.
        queue_limit: Frames that may wait for a client before it is cut off.
        ping_interval_s: Between protocol pings of the streams, on the machine's clock.
        pong_timeout_s: How long a pong may take.
    """

    rest_prefix = REST_PREFIX
    ws_path = f"{STREAM_PREFIX}/v1"
    max_frame_bytes = 2**20

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
        config = ExchangeConfig(
            seed=seed, settle_asset=COLLATERAL, first_id=FIRST_ID, closing_when_restricted=True, cancels_when_short=True
        )
        exchange = Exchange(clock or SimClock(), config)
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
    def rpc_url(self) -> str:
        """Where the multiplexed streams (v2) are."""
        return f"ws://{HOST}:{self.port}{STREAM_PREFIX}/v2/rpc"

    @property
    def deviations(self) -> list[str]:
        """What clients sent beyond the contract and the venue let pass."""
        return self.venue.deviations

    def add_routes(self, app: web.Application) -> None:
        """Register both streams and every REST route."""
        app.router.add_get(f"{STREAM_PREFIX}/v1/{{path:.+}}", self._connect_v1)
        app.router.add_get(f"{STREAM_PREFIX}/v2/rpc", self._connect_v2)
        Gateway(self.venue, ROUTES).add_to(app)

    def expire_tokens(self) -> None:
        """Revoke every API key, as if their owner had deleted them: the venue has no tokens that expire."""
        self.venue.registry.revoke_all()

    async def _connect_v1(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        try:
            check_user_agent(request)
            account = owner_of(self.venue, request).account_id if path == "account" else None
            topic = topic_of_path(path, request.query, account)
            self._hub.check(topic)
        except UnauthorizedError:
            return web.Response(status=401)
        except ApiError as refusal:
            return respond(refusal.status, refusal.body())
        except NoSuchTopicError as exc:
            return respond(404, ApiError(404, str(exc)).body())

        async def ignore(text: str) -> None:
            log.info("a v1 client sent %d characters; its URL is all that it has to say", len(text))

        socket = await self.open_socket(request)
        if socket is None:
            return await unknown_path(request)
        with self.admitted(request, socket, StreamClient, self._hub.forget, is_v2=False) as client:
            self._hub.subscribe(client, topic)
            await client.run(ignore)
        return socket

    async def _connect_v2(self, request: web.Request) -> web.StreamResponse:
        try:
            check_user_agent(request)
        except ApiError as refusal:
            return respond(refusal.status, refusal.body())
        socket = await self.open_socket(request)
        if socket is None:
            return await unknown_path(request)
        with self.admitted(request, socket, StreamClient, self._hub.forget, is_v2=True) as client:
            await client.run(partial(self._rpc.receive, client))
        return socket
