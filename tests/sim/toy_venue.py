"""The smallest venue: one REST path that places orders, one WebSocket that echoes calls and pushes a counter."""

from __future__ import annotations

import json
from decimal import Decimal

from aiohttp import WSMsgType, web

from perpkit.core.models.order import OrderType, Side
from perpkit.sim.clock import SimClock
from perpkit.sim.exchange import Exchange
from perpkit.sim.fault_injection import FrameGate
from perpkit.sim.orders import OrderRequest
from perpkit.sim.server import SimServer
from tests.sim.world import BTC, ETH


class ToyVenue(SimServer):
    """Serves what the base needs to be tried."""

    rest_prefix = "/v1"
    ws_path = "/v1/ws"

    def __init__(self, clock: SimClock | None = None, **more: object) -> None:
        exchange = Exchange(clock or SimClock())
        exchange.add_market(BTC)
        exchange.add_market(ETH)
        exchange.add_account("ann", Decimal(100_000))
        super().__init__(exchange, **more)
        self.expired = 0
        self.sockets: set[web.WebSocketResponse] = set()

    def place(self, price: Decimal) -> str:
        """Place ann's bid for 1 BTC; return its id."""
        return self.exchange.submit(
            OrderRequest(
                account_id="ann",
                market="BTC",
                side=Side.BUY,
                type=OrderType.LIMIT,
                size=Decimal(1),
                price=price,
            )
        ).id

    def add_routes(self, app: web.Application) -> None:
        """One of each."""
        app.router.add_post("/v1/orders", self._order)
        app.router.add_get("/v1/time", self._time)
        app.router.add_get("/v1/ws", self._socket)

    def expire_tokens(self) -> None:
        """Count."""
        self.expired += 1

    async def on_stop(self) -> None:
        """Let every client go."""
        for socket in list(self.sockets):
            await socket.close()

    async def _order(self, request: web.Request) -> web.Response:
        fields = await request.json()
        order_id = self.place(Decimal(fields["price"]))
        return web.json_response({"id": order_id, "inner": [{"a": 1}]}, status=201)

    async def _time(self, _request: web.Request) -> web.Response:
        return web.json_response({"server_time": self.clock.now_ms()})

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.add(socket)
        transport = request.transport
        assert transport is not None
        gate = FrameGate(socket, self.faults, self.clock, transport.abort)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                call = json.loads(message.data)
                struck = [fault.action.value for fault in gate.strike_call(call["method"])]
                await gate.send(call["method"], {"n": call["n"], "struck": struck})
        self.sockets.discard(socket)
        return socket
