"""
A bare client for tests: it signs with the venue's own hashes (proved by vectors elsewhere) and holds every response
against the contract as it comes in.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from perpkit.crypto.stark import sign
from perpkit.sim.venues.extended import LocalAccount, LocalExtended
from perpkit.sim.venues.extended.settlement import L2Config, OrderHasher, Terms
from tests.sim import clients

from . import contract_check

FEE = "0.00025"


class Answer(clients.Answer):
    """A validated REST response."""

    @property
    def data(self) -> Any:
        assert self.status == 200, self
        return self.body["data"]

    @property
    def refusal(self) -> tuple[int, int]:
        return self.status, self.body["error"]["code"]


class Signer:
    """Signs orders for one account, in the markets' own words."""

    def __init__(self, sim: LocalExtended, account: LocalAccount, *, chain_id: str | None = None) -> None:
        self.sim = sim
        self.account = account
        self.hasher = OrderHasher(chain_id or sim.venue.settings.chain_id)
        self._numbers = itertools.count(1)

    def l2(self, market: str) -> L2Config:
        return self.sim.venue.listings[market].l2

    def settlement(
        self, body: dict[str, Any], *, side: str | None = None, qty: str | None = None, price: str | None = None
    ) -> dict[str, Any]:
        """Return the settlement object for a body, or for one of its legs."""
        fee = Decimal(body["fee"]) + Decimal(body.get("builderFee", "0"))
        terms = Terms(
            is_buy=(side or body["side"]) == "BUY",
            qty=Decimal(qty or body["qty"]),
            price=Decimal(price or body["price"]),
            fee=fee,
            expiry_ms=body["expiryEpochMillis"],
            nonce=int(body["nonce"]),
        )
        l2, account = self.l2(body["market"]), self.account
        message = self.hasher.message_hash(terms, l2, account.vault, account.stark_key)
        r, s = sign(int(account.private_key, 16), message)
        return {
            "signature": {"r": hex(r), "s": hex(s)},
            "starkKey": account.public_key,
            "collateralPosition": str(account.vault),
        }

    def order(self, *, signed_as: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        """Return a signed limit order; fields given as None are left out, ``signed_as`` overrides what is signed."""
        number = next(self._numbers)
        body: dict[str, Any] = {
            "id": f"test-{number}",
            "market": "BTC-USD",
            "type": "LIMIT",
            "side": "BUY",
            "qty": "0.01",
            "price": "83000",
            "reduceOnly": False,
            "postOnly": False,
            "timeInForce": "GTT",
            "expiryEpochMillis": self.sim.clock.now_ms() + 3_600_000,
            "fee": FEE,
            "nonce": str(number),
            "selfTradeProtectionLevel": "ACCOUNT",
            **changes,
        }
        if "settlement" not in body and body["type"] != "TPSL":
            body["settlement"] = self.settlement({**body, **(signed_as or {})})
        return {name: value for name, value in body.items() if value is not None}

    def leg(self, body: dict[str, Any], *, side: str, qty: str, **fields: str) -> dict[str, Any]:
        """Return a signed TP/SL leg for a body."""
        return {**fields, "settlement": self.settlement(body, side=side, qty=qty, price=fields["price"])}


class Client(clients.HttpClient):
    """A REST client; ``async with``. Without a signer it has no key."""

    def __init__(self, sim: LocalExtended, signer: Signer | None = None, *, key: str | None = None) -> None:
        self.sim = sim
        self.signer = signer
        self.key = key or (signer.account.api_key if signer is not None else None)

    async def get(self, path: str, **query: Any) -> Answer:
        return await self.request("GET", path, query=query)

    async def post(self, path: str, body: Any = None, **query: Any) -> Answer:
        return await self.request("POST", path, body=body, query=query)

    async def patch(self, path: str, body: Any) -> Answer:
        return await self.request("PATCH", path, body=body)

    async def delete(self, path: str, **query: Any) -> Answer:
        return await self.request("DELETE", path, query=query)

    async def try_order(self, **changes: Any) -> Answer:
        """Send a signed order."""
        assert self.signer is not None
        return await self.post("/user/order", self.signer.order(**changes))

    async def place(self, **changes: Any) -> dict[str, Any]:
        """Place an order that is expected to be taken; return it as the venue shows it then."""
        answer = await self.try_order(**changes)
        return (await self.get(f"/user/orders/{answer.data['id']}")).data

    async def request(
        self, method: str, path: str, *, body: Any = None, headers: Any = None, query: Any = None, data: Any = None
    ) -> Answer:
        sent = dict(headers or {})
        if self.key is not None:
            sent.setdefault("X-Api-Key", self.key)
        async with self._session.request(
            method, self.sim.url + path, json=body, data=data, headers=sent, params=_repeated(query or {})
        ) as response:
            text = await response.text()
        answer = Answer(response.status, clients.parsed(text))
        problems = contract_check.rest_errors(method, path, answer.status, answer.body)
        assert not problems, problems
        return answer


class Stream(clients.SocketClient):
    """
    A stream client; ``async with``. Give it a v1 path, or none for v2.

    Frames keep the order in which they came; the numbering is held to be without holes unless ``gaps`` is true.
    """

    def __init__(
        self, sim: LocalExtended, path: str | None = None, *, key: str | None = None, gaps: bool = False, **options: Any
    ) -> None:
        url = sim.rpc_url if path is None else f"{sim.ws_url}/{path}"
        super().__init__(url, headers={"X-Api-Key": key} if key is not None else {}, **options)
        self.is_v2 = path is None
        self.frames: list[dict[str, Any]] = []
        self._gaps = gaps
        self._ids = itertools.count(1)

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__(*_)
        if not self._gaps:
            first = 0 if self.is_v2 else 1
            assert [f["seq"] for f in self.frames] == list(range(first, first + len(self.frames)))

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the answer to a v2 call."""
        call_id = str(next(self._ids))
        return await self.ask({"method": method, "id": call_id, "jsonrpc": "2.0", "params": params}, call_id)

    async def subscribe(self, scope: str, *, key: str | None = None, **selector: Any) -> str:
        """Subscribe and return the topic's id."""
        extra = {} if key is None else {"apiKey": key}
        answer = await self.call("subscribe", scope=scope, selector=selector, **extra)
        assert answer["result"]["status"] == "OK", answer
        return answer["result"]["subscription"]

    async def wait(self, count: int, where: Callable[[dict[str, Any]], Any] | None = None) -> list[dict[str, Any]]:
        """Return the frames (that fit) once there are so many."""

        def fitting() -> list[dict[str, Any]]:
            return [frame for frame in self.frames if where is None or where(frame)]

        return await self.enough(fitting, count, self.url)

    async def settle(self) -> None:
        """Wait until everything sent before now has come in on v2: an answer comes after it."""
        await self.call("ping")

    async def take(self, frame: dict[str, Any]) -> None:
        """Keep what is numbered; anything else is an answer."""
        if "seq" in frame:
            self.frames.append(frame)
        else:
            self.answered(frame["id"], frame)


def section(word: str) -> Callable[[dict[str, Any]], bool]:
    """Return a filter for the changes of one section of an account stream."""
    return lambda frame: frame["type"].removeprefix("ACCOUNT.") == word and not frame["data"]["isSnapshot"]


def advance(sim: LocalExtended, **by: int) -> None:
    """Move the clock; ``advance(sim, minutes=1)``."""
    sim.control.advance(timedelta(**by))


def _repeated(query: dict[str, Any]) -> list[tuple[str, str]]:
    """Return query pairs, a list's name repeated."""
    return [
        (name, str(item)) for name, value in query.items() for item in (value if isinstance(value, list) else [value])
    ]


def access(sim: LocalExtended) -> dict[str, Any]:
    """Return what an outside client needs to use the first account: every address, every key."""
    return {"url": sim.url, "ws_url": sim.ws_url, "rpc_url": sim.rpc_url, **sim.accounts[0].reveal()}
