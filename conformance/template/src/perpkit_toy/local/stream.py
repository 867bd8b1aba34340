"""The WebSocket: who is connected, what they follow, and the exchange's events as frames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aiohttp import WSMsgType, web
from perpkit.sim.events import (
    AccountEvent,
    BalanceEvent,
    BookEvent,
    Event,
    FillEvent,
    OrderEvent,
    PositionEvent,
    TickEvent,
    TradeEvent,
)
from perpkit.sim.exchange import Exchange
from perpkit.sim.fault_injection import FrameGate

from perpkit_toy.local import wire
from perpkit_toy.local.doorman import Doorman, RefusedError

PUBLIC = ("book", "trades")
PRIVATE = ("orders", "fills", "positions", "balances")

Make = Callable[[], dict[str, Any]]


class Connection:
    """One client. Frames wait in a queue and are written in order."""

    def __init__(self, socket: web.WebSocketResponse, gate: FrameGate, exchange: Exchange, doorman: Doorman) -> None:
        self._socket = socket
        self._gate = gate
        self._exchange = exchange
        self._doorman = doorman
        self._queue: asyncio.Queue[tuple[str, Make]] = asyncio.Queue()
        self._account: str | None = None
        self._topics: set[str] = set()

    async def run(self) -> None:
        """Serve the client until it leaves."""
        writer = asyncio.create_task(self._write(), name="local toy writes")
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self._receive(message.data)
                elif message.type is WSMsgType.PING and not self._gate.is_half_open:
                    await self._socket.pong(message.data)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def close(self) -> None:
        """Let the client go."""
        await self._socket.close()

    def tell(self, event: Event) -> None:
        """Queue what an event means to this client. Called inside the exchange: nothing is read from it here."""
        match event:
            case BookEvent() if event.changes:
                self._update(f"book.{event.market}", lambda: wire.book_update(event))
            case TradeEvent():
                self._update(f"trades.{event.trade.market}", lambda: wire.trade(event.trade))
            case OrderEvent() if event.order.account_id == self._account:
                self._update("orders", lambda: wire.order(event.order))
            case FillEvent() if event.fill.account_id == self._account:
                self._update("fills", lambda: wire.fill(event.fill))
            case PositionEvent() if event.position.account_id == self._account:
                self._update("positions", lambda: wire.position(event.position))
            case AccountEvent() if event.account_id == self._account:
                self._update_balance()
            case BalanceEvent() if event.entry.account_id == self._account:
                self._update_balance()
            case TickEvent():
                self._update_balance()

    def _update_balance(self) -> None:
        account = self._account
        if account is not None:
            self._update("balances", lambda: wire.balance(self._exchange.account(account)))

    def _update(self, topic: str, make: Make, kind: str = "update") -> None:
        if topic in self._topics:
            self._queue.put_nowait((topic, lambda: {"topic": topic, "kind": kind, "data": make()}))

    def _receive(self, text: str) -> None:
        request: Any = None
        try:
            request = json.loads(text, parse_float=Decimal)
            if not isinstance(request, dict) or not isinstance(request.get("id"), int):
                raise RefusedError(400, "bad_request", "a frame is an object with an id")
            self._obey(request)
        except ValueError:
            self._answer(None, {"code": "bad_request", "message": "a frame is JSON"})
        except RefusedError as refusal:
            self._answer(request.get("id") if isinstance(request, dict) else None, refusal.body)

    def _obey(self, request: dict[str, Any]) -> None:
        match request.get("op"):
            case "auth":
                key, time, signature = (request.get(name) for name in ("key", "time", "signature"))
                self._account = self._doorman.admit(key, time, signature, "AUTH\n/ws\n").id
                self._answer(request["id"])
            case "subscribe":
                topic = self._topic(request)
                if topic in self._topics:
                    raise RefusedError(409, "already_subscribed", topic)
                self._topics.add(topic)
                self._answer(request["id"])
                if topic.startswith("book."):
                    snapshot = wire.book(self._exchange.book(topic.partition(".")[2]))
                    self._update(topic, lambda: snapshot, kind="snapshot")
            case "unsubscribe":
                self._topics.discard(self._topic(request))
                self._answer(request["id"])
            case other:
                raise RefusedError(400, "bad_request", f"op={other!r} is not one of auth, subscribe, unsubscribe")

    def _topic(self, request: dict[str, Any]) -> str:
        topic = str(request.get("topic"))
        family, _, symbol = topic.partition(".")
        if family in PRIVATE and not symbol:
            if self._account is None:
                raise RefusedError(401, "unknown_key", f"{topic} needs auth first")
        elif family not in PUBLIC or symbol not in {spec.symbol for spec in self._exchange.markets()}:
            raise RefusedError(400, "bad_request", f"topic={topic!r} is none of ours")
        return topic

    def _answer(self, request_id: int | None, error: dict[str, Any] | None = None) -> None:
        frame = {"id": request_id, **({"error": error} if error is not None else {})}
        self._queue.put_nowait(("answer", lambda: frame))

    async def _write(self) -> None:
        while True:
            name, make = await self._queue.get()
            await self._gate.send(name, make())
