"""
A bare client for tests: it signs with the venue's own hashes (proved by vectors elsewhere) and holds every response
and frame against the contract as it comes in.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from decimal import Decimal
from typing import Any

from perpkit.crypto.stark import public_key, sign
from perpkit.sim.venues.paradex import LocalAccount, LocalParadex
from perpkit.sim.venues.paradex.verify import MessageHasher, OrderFields
from tests.sim import clients

from . import contract_check


class Answer(clients.Answer):
    """A validated REST response."""

    def __init__(self, status: int, body: Any, headers: Any) -> None:
        super().__init__(status, body)
        self.headers = headers

    @property
    def results(self) -> list[dict[str, Any]]:
        assert self.status == 200, self.body
        return self.body["results"]

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.body["error"]


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


class Client(clients.HttpClient):
    """A REST client; ``async with``. Without a token it is anybody."""

    def __init__(self, sim: LocalParadex, signer: Signer | None = None, token: str | None = None) -> None:
        self.sim = sim
        self.signer = signer
        self.token = token

    async def __aenter__(self) -> Client:
        await super().__aenter__()
        if self.signer is not None and self.token is None:
            answer = await self.sign_in()
            self.token = answer.body["jwt_token"]
        return self

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
        sent = dict(headers or {})
        if self.token is not None and "Authorization" not in sent and "PARADEX-STARKNET-ACCOUNT" not in sent:
            sent["Authorization"] = f"Bearer {self.token}"
        async with self._session.request(
            method, self.sim.url + path, json=body, data=data, headers=sent, params=query or {}
        ) as response:
            text = await response.text()
            answer = Answer(response.status, clients.parsed(text), response.headers)
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


class Socket(clients.SocketClient):
    """
    A WebSocket client; ``async with``. Frames are sorted into answers and pushes as they come in.

    Pushed frames are all held against the contract, or one in ``check_every`` where there are very many.
    """

    def __init__(self, sim: LocalParadex, token: str | None = None, *, check_every: int = 1, **options: Any) -> None:
        super().__init__(sim.ws_url, **options)
        self.token = token
        self.frames: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._ids = itertools.count(1)
        self._check_every = check_every
        self._pushed = 0
        self.problems: list[str] = []

    async def __aenter__(self) -> Socket:
        await super().__aenter__()
        if self.token is not None:
            await self.call("auth", bearer=self.token)
        return self

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__(*_)
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
        return await self.ask({**call, "id": call_id}, call_id)

    async def send_text(self, text: str) -> dict[str, Any]:
        """Send anything and return the next answer without an id of ours."""
        return await self.ask(text, None)

    async def subscribe(self, channel: str, **params: Any) -> None:
        assert await self.call("subscribe", channel=channel, **params) == {"channel": channel}

    async def wait(self, channel: str, count: int = 1, where: Any = None) -> list[dict[str, Any]]:
        """Return the data of a channel's frames once there are so many (that fit)."""

        def fitting() -> list[dict[str, Any]]:
            return [data for data in self.frames[channel] if where is None or where(data)]

        return await self.enough(fitting, count, channel)

    async def settle(self) -> None:
        """Wait until everything sent before now has come in: an answer comes after it."""
        await self.raw({"jsonrpc": "2.0", "method": "unsubscribe", "params": {"channel": "none"}})

    async def take(self, frame: dict[str, Any]) -> None:
        """Hold a push against the contract and keep it; anything else is an answer."""
        if frame.get("method") != "subscription":
            self.answered(frame["id"], frame)
            return
        if self._pushed % self._check_every == 0:
            self.problems += contract_check.frame_errors(frame)
        self._pushed += 1
        self.frames[frame["params"]["channel"]].append(frame["params"]["data"])
