"""
A bare client for tests: it signs with the venue's own hashes (proved by vectors elsewhere) and holds every response
and frame against the contract as it comes in.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

import aiohttp

from perpkit.crypto.stark import public_key, sign
from perpkit.sim.venues.paradex import LocalAccount, LocalParadex
from perpkit.sim.venues.paradex.verify import MessageHasher, OrderFields

from . import contract_check

TIMEOUT_S = 10


class Answer:
    """A validated REST response."""

    def __init__(self, status: int, body: Any, headers: Any) -> None:
        self.status = status
        self.body = body
        self.headers = headers

    @property
    def results(self) -> list[dict[str, Any]]:
        assert self.status == 200, self.body
        return self.body["results"]

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.body["error"]

    def __repr__(self) -> str:
        return f"<{self.status} {self.body}>"


class Signer:
    """Signs for one account with one of its keys."""

    def __init__(self, sim: LocalParadex, account: LocalAccount, key: str | None = None, chain_id: str | None = None):
        self.sim = sim
        self.account = account
        self.key = int(key or account.private_key, 16)
        self.address = int(account.address, 16)
        self.hasher = MessageHasher(chain_id or sim.venue.settings.chain_id)
        self._stamps = itertools.count()

    @property
    def public_key(self) -> str:
        return hex(public_key(self.key))

    def auth_headers(self, timestamp: int | None = None, lifetime: int = 1800) -> dict[str, str]:
        now = self.sim.clock.now_ms() // 1000 if timestamp is None else timestamp
        r, s = sign(self.key, self.hasher.auth(self.address, now, now + lifetime))
        return {
            "PARADEX-STARKNET-ACCOUNT": self.account.address,
            "PARADEX-STARKNET-SIGNATURE": f'["{r}","{s}"]',
            "PARADEX-TIMESTAMP": str(now),
            "PARADEX-SIGNATURE-EXPIRATION": str(now + lifetime),
        }

    def order(self, **changes: Any) -> dict[str, Any]:
        """Return a signed limit order; fields given as None are left out, ``signed_as`` overrides what is signed."""
        signed_as = changes.pop("signed_as", {})
        body: dict[str, Any] = {
            "market": "BTC-USD-PERP",
            "side": "BUY",
            "type": "LIMIT",
            "size": "0.01",
            "price": "99000",
            "instruction": "GTC",
            "signature_timestamp": self.sim.clock.now_ms() - 1000 + next(self._stamps),
            **changes,
        }
        if "signature" not in body:
            body["signature"] = self._signature({**body, **signed_as}, None)
        return {name: value for name, value in body.items() if value is not None}

    def modification(self, order: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Return a signed modification of an order as the venue showed it."""
        body = {name: order[name] for name in ("id", "market", "side", "type", "size", "price")}
        body |= {"signature_timestamp": self.sim.clock.now_ms() - 1000 + next(self._stamps), **changes}
        if "signature" not in body:
            body["signature"] = self._signature(body, body["id"])
        return body

    def _signature(self, body: dict[str, Any], order_id: str | None) -> str:
        fields = OrderFields(
            timestamp=body["signature_timestamp"],
            market=body["market"],
            side=body["side"],
            order_type=body["type"],
            size=Decimal(body["size"]),
            price=Decimal(body.get("price") or "0"),
        )
        if order_id is None:
            message = self.hasher.order(self.address, fields)
        else:
            message = self.hasher.modification(self.address, fields, order_id)
        r, s = sign(self.key, message)
        return f'["{r}","{s}"]'


class Client:
    """A REST client; ``async with``. Without a token it is anybody."""

    def __init__(self, sim: LocalParadex, signer: Signer | None = None, token: str | None = None) -> None:
        self.sim = sim
        self.signer = signer
        self.token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        if self.signer is not None and self.token is None:
            answer = await self.sign_in()
            self.token = answer.body["jwt_token"]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def sign_in(self, path: str = "/auth", **query: str) -> Answer:
        assert self.signer is not None
        return await self.request("POST", path, headers=self.signer.auth_headers(), query=query)

    async def get(self, path: str, **query: Any) -> Answer:
        return await self.request("GET", path, query=query)

    async def post(self, path: str, body: Any, **query: Any) -> Answer:
        return await self.request("POST", path, body=body, query=query)

    async def put(self, path: str, body: Any) -> Answer:
        return await self.request("PUT", path, body=body)

    async def delete(self, path: str, body: Any = None, **query: Any) -> Answer:
        return await self.request("DELETE", path, body=body, query=query)

    async def place(self, **changes: Any) -> dict[str, Any]:
        """Place a signed order that is expected to be taken in."""
        assert self.signer is not None
        answer = await self.post("/orders", self.signer.order(**changes))
        assert answer.status == 201, answer
        return answer.body

    async def request(
        self, method: str, path: str, *, body: Any = None, headers: Any = None, query: Any = None, data: Any = None
    ) -> Answer:
        assert self._session is not None
        sent = dict(headers or {})
        if self.token is not None and "Authorization" not in sent and "PARADEX-STARKNET-ACCOUNT" not in sent:
            sent["Authorization"] = f"Bearer {self.token}"
        async with self._session.request(
            method, self.sim.url + path, json=body, data=data, headers=sent, params=query or {}
        ) as response:
            text = await response.text()
            answer = Answer(response.status, json.loads(text, parse_float=Decimal) if text else None, response.headers)
        template = contract_check.path_template(method, path)
        if template is None and path.startswith("/auth/"):
            template = "/auth"
        if template is None:
            problems = [f"{e.message}" for e in contract_check.error_validator().iter_errors(answer.body)]
        else:
            problems = contract_check.rest_errors(method, template, answer.status, answer.body)
        assert not problems, problems
        return answer


class RefusedError(Exception):
    """A call over the WebSocket answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.code = error["code"]
        self.data = error.get("data")


class Socket:
    """
    A WebSocket client; ``async with``. Frames are sorted into answers and pushes as they come in.

    Pushed frames are all held against the contract, or one in ``check_every`` where there are very many.
    """

    def __init__(self, sim: LocalParadex, token: str | None = None, *, check_every: int = 1, **options: Any) -> None:
        self.sim = sim
        self.token = token
        self.frames: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.closed = asyncio.Event()
        self.close_code: int | None = None
        self._answers: dict[Any, asyncio.Future[dict[str, Any]]] = {}
        self._news = asyncio.Condition()
        self._ids = itertools.count(1)
        self._options = options
        self._check_every = check_every
        self._pushed = 0
        self.problems: list[str] = []

    async def __aenter__(self) -> Socket:
        self._session = aiohttp.ClientSession()
        try:
            self.socket = await self._session.ws_connect(self.sim.ws_url, **self._options)
        except aiohttp.ClientError:
            await self._session.close()
            raise
        self._reader = asyncio.create_task(self._read())
        if self.token is not None:
            await self.call("auth", bearer=self.token)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()
        await self._reader
        await self._session.close()
        assert not self.problems, self.problems

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return a method's result, or raise RefusedError."""
        frame = await self.raw({"jsonrpc": "2.0", "method": method, "params": params})
        self.problems += contract_check.result_errors(method, frame)
        if "error" in frame:
            raise RefusedError(frame["error"])
        return frame["result"]

    async def raw(self, call: dict[str, Any]) -> dict[str, Any]:
        call_id = next(self._ids)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[call_id] = future
        await self.socket.send_str(json.dumps({**call, "id": call_id}))
        async with asyncio.timeout(TIMEOUT_S):
            return await future

    async def send_text(self, text: str) -> dict[str, Any]:
        """Send anything and return the next answer without an id of ours."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[None] = future
        await self.socket.send_str(text)
        async with asyncio.timeout(TIMEOUT_S):
            return await future

    async def subscribe(self, channel: str, **params: Any) -> None:
        assert await self.call("subscribe", channel=channel, **params) == {"channel": channel}

    async def wait(self, channel: str, count: int = 1, where: Any = None) -> list[dict[str, Any]]:
        """Return the data of a channel's frames once there are so many (that fit)."""

        def fitting() -> list[dict[str, Any]]:
            return [data for data in self.frames[channel] if where is None or where(data)]

        try:
            async with asyncio.timeout(TIMEOUT_S), self._news:
                await self._news.wait_for(lambda: len(fitting()) >= count)
        except TimeoutError:
            raise AssertionError(f"{channel}: {len(fitting())} of {count} frames; has {self.frames[channel]}") from None
        return fitting()

    async def settle(self) -> None:
        """Wait until everything sent before now has come in: an answer comes after it."""
        await self.raw({"jsonrpc": "2.0", "method": "unsubscribe", "params": {"channel": "none"}})

    async def _read(self) -> None:
        async for message in self.socket:
            frame = json.loads(message.data, parse_float=Decimal)
            if frame.get("method") == "subscription":
                if self._pushed % self._check_every == 0:
                    self.problems += contract_check.frame_errors(frame)
                self._pushed += 1
                async with self._news:
                    self.frames[frame["params"]["channel"]].append(frame["params"]["data"])
                    self._news.notify_all()
            else:
                self._answers.pop(frame["id"]).set_result(frame)
        self.close_code = self.socket.close_code
        self.closed.set()
        for future in self._answers.values():
            future.cancel()
