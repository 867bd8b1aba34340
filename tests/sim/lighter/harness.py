"""
A bare client for tests: it signs by the venue's own layout (proved by vectors elsewhere) and holds every answer against
the contract as it comes in.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections import defaultdict
from typing import Any

from perpkit.crypto.ecgfp5 import sign
from perpkit.sim.venues.lighter import LocalAccount, LocalLighter
from perpkit.sim.venues.lighter.verify import (
    CANCEL_ALL_ORDERS,
    CANCEL_ORDER,
    CREATE_ORDER,
    MODIFY_ORDER,
    UPDATE_LEVERAGE,
    UPDATE_MARGIN,
    token_hash,
    transaction_hash,
    without_nil,
)
from tests.sim import clients

from . import contract_check

DAY_MS = 86_400_000
V1 = "/api/v1"


class Answer(clients.Answer):
    """A validated REST answer."""

    @property
    def refusal(self) -> tuple[int, int]:
        return self.status, self.body["code"]

    def __getitem__(self, name: str) -> Any:
        assert self.status == 200, self.body
        return self.body[name]


class Signer:
    """Signs for one account with one of its keys, and counts its nonces."""

    def __init__(self, sim: LocalLighter, account: LocalAccount, slot: int = 4, chain_id: int | None = None) -> None:
        self.sim = sim
        self.account = account
        self.slot = slot
        self.secret = int.from_bytes(bytes.fromhex(account.api_keys[slot]), "little")
        self.chain_id = chain_id or sim.venue.settings.chain_id
        self.nonce = 0
        self._clients = itertools.count(1001)

    def token(self, lifetime: int = 600) -> str:
        deadline = self.sim.venue.now_s() + lifetime
        head = f"{deadline}:{self.account.account_index}:{self.slot}"
        return f"{head}:{sign(self.secret, token_hash(deadline, self.account.account_index, self.slot)).hex()}"

    def transaction(
        self, tx_type: int, attributes: dict[str, int] | None = None, changes: Any = None, **fields: int
    ) -> dict[str, Any]:
        """Return a signed transaction with the next nonce; ``changes`` are made after signing."""
        info: dict[str, Any] = {
            "AccountIndex": self.account.account_index,
            "ApiKeyIndex": self.slot,
            **fields,
            "ExpiredAt": fields.get("ExpiredAt", self.sim.venue.now_ms() + 599_000),
            "Nonce": fields.get("Nonce", self.nonce),
        }
        nil_free = without_nil({int(key): value for key, value in (attributes or {}).items()})
        hashed = transaction_hash(self.chain_id, tx_type, info, nil_free)
        info["Sig"] = base64.b64encode(sign(self.secret, hashed)).decode()
        info["L2TxAttributes"] = attributes
        return {**info, **(changes or {})}

    def order(self, *, attributes: dict[str, int] | None = None, changes: Any = None, **fields: int) -> dict[str, Any]:
        """Return a signed limit order, 0.1 ETH to buy at 3990 for a week unless told otherwise."""
        values = {
            "MarketIndex": 0,
            "ClientOrderIndex": next(self._clients),
            "BaseAmount": 1000,
            "Price": 399_000,
            "IsAsk": 0,
            "Type": 0,
            "TimeInForce": 1,
            "ReduceOnly": 0,
            "TriggerPrice": 0,
            "OrderExpiry": self.sim.venue.now_ms() + 7 * DAY_MS,
        }
        return self.transaction(CREATE_ORDER, attributes, changes, **{**values, **fields})

    def market_order(self, **fields: int) -> dict[str, Any]:
        """Return a signed market order, 0.1 ETH to buy at no more than 4100 on average."""
        return self.order(**{"Type": 1, "TimeInForce": 0, "OrderExpiry": 0, "Price": 410_000, **fields})


class Client(clients.HttpClient):
    """A REST client; ``async with``. Without a signer it is anybody."""

    def __init__(self, sim: LocalLighter, signer: Signer | None = None) -> None:
        self.sim = sim
        self.signer = signer

    @property
    def index(self) -> int:
        assert self.signer is not None
        return self.signer.account.account_index

    async def get(self, name: str, *, token: str | None = None, **query: Any) -> Answer:
        if token is None and self.signer is not None:
            token = self.signer.token()
        path = name if name.startswith("/") else f"{V1}/{name}"
        headers = {"Authorization": token} if token else {}
        return await self.request("GET", path, params=query, headers=headers)

    async def send(self, tx_type: int, info: Any, **form: str) -> Answer:
        """Post a transaction; the signer's nonce moves on when it is accepted."""
        text = info if isinstance(info, str) else json.dumps(info, separators=(",", ":"))
        data = {"tx_type": str(tx_type), "tx_info": text, **form}
        answer = await self.request("POST", f"{V1}/sendTx", data=data)
        if answer.status == 200 and self.signer is not None and isinstance(info, dict):
            self.signer.nonce = info["Nonce"] + 1
        return answer

    async def place(self, **fields: Any) -> int:
        """Place an order that is expected to be accepted; returns its client order index."""
        assert self.signer is not None
        info = self.signer.order(**fields)
        answer = await self.send(CREATE_ORDER, info)
        assert answer.status == 200, answer
        return info["ClientOrderIndex"]

    async def take(self, **fields: Any) -> int:
        """Send a market order that is expected to be accepted."""
        assert self.signer is not None
        info = self.signer.market_order(**fields)
        answer = await self.send(CREATE_ORDER, info)
        assert answer.status == 200, answer
        return info["ClientOrderIndex"]

    async def cancel(self, index: int, market: int = 0) -> Answer:
        assert self.signer is not None
        return await self.send(CANCEL_ORDER, self.signer.transaction(CANCEL_ORDER, MarketIndex=market, Index=index))

    async def cancel_all(self, kind: int = 0, time: int = 0, attributes: Any = None) -> Answer:
        assert self.signer is not None
        info = self.signer.transaction(CANCEL_ALL_ORDERS, attributes, TimeInForce=kind, Time=time)
        return await self.send(CANCEL_ALL_ORDERS, info)

    async def modify(self, index: int, **fields: int) -> Answer:
        assert self.signer is not None
        values = {"MarketIndex": 0, "Index": index, "BaseAmount": 1000, "Price": 399_000, "TriggerPrice": 0, **fields}
        return await self.send(MODIFY_ORDER, self.signer.transaction(MODIFY_ORDER, **values))

    async def leverage(self, fraction: int, mode: int = 0, market: int = 0) -> Answer:
        assert self.signer is not None
        values = {"MarketIndex": market, "InitialMarginFraction": fraction, "MarginMode": mode}
        return await self.send(UPDATE_LEVERAGE, self.signer.transaction(UPDATE_LEVERAGE, **values))

    async def margin(self, units: int, direction: int = 1, market: int = 0) -> Answer:
        assert self.signer is not None
        values = {"MarketIndex": market, "USDCAmount": units, "Direction": direction}
        return await self.send(UPDATE_MARGIN, self.signer.transaction(UPDATE_MARGIN, **values))

    async def order(self, client: int) -> dict[str, Any]:
        """Return the order with a client order index."""
        rows = (await self.get("accountOrders", client_order_indexes=str(client)))["orders"]
        assert len(rows) == 1, rows
        return rows[0]

    async def fate(self, answer: Answer) -> dict[str, Any]:
        """Return what became of a transaction, its event parsed."""
        found = await self.get("tx", by="hash", value=answer["tx_hash"])
        event = found["event_info"]
        return {**found.body, "event": json.loads(event) if event else {}}

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        async with self._session.request(method, self.sim.url + path, **options) as response:
            text = await response.text()
            answer = Answer(response.status, clients.parsed(text))
        problems = contract_check.rest_errors(method, path, answer.status, answer.body)
        assert not problems, problems
        return answer


class Socket(clients.SocketClient):
    """A WebSocket client; ``async with``. Frames are sorted by channel as they come in; pings are answered."""

    def __init__(
        self, sim: LocalLighter, signer: Signer | None = None, *, answers: bool = True, query: str = ""
    ) -> None:
        super().__init__(sim.ws_url + query)
        self.signer = signer
        self.frames: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._answers_pings = answers

    async def subscribe(self, channel: str, token: str | None = None) -> dict[str, Any]:
        """Subscribe, and return the first frame."""
        message = {"type": "subscribe", "channel": channel}
        if token is not None or self.signer is not None:
            message["auth"] = token if token is not None else self.signer.token()
        await self.say(message)
        parts = channel.split("/")
        name = ":".join(parts[:2] if parts[0] == "account_orders" else parts)
        return (await self.wait(name))[-1]

    async def wait(self, name: str, count: int = 1, where: Any = None) -> list[dict[str, Any]]:
        """Return a channel's frames once there are so many (that fit)."""

        def fitting() -> list[dict[str, Any]]:
            return [frame for frame in self.frames[name] if where is None or where(frame)]

        return await self.enough(fitting, count, name)

    async def error(self) -> dict[str, Any]:
        """Return the next error's code and message."""
        frame = (await self.wait("error"))[0]
        self.frames["error"].remove(frame)
        return frame["error"]

    async def updates(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        return await self.wait(name, count, lambda frame: frame["type"].startswith("update/"))

    async def take(self, frame: dict[str, Any]) -> None:
        """Sort a frame by its channel, or by what it is; a ping is answered."""
        if frame.get("type") == "ping" and self._answers_pings:
            await self.say({"type": "pong"})
        self.frames[frame.get("channel") or ("error" if "error" in frame else frame.get("type", "?"))].append(frame)
