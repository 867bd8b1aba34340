"""
A server of these tests' own that says what it is told to, and remembers what it was asked. It knows no exchange: for
that there is the local Lighter, which is another reading of the contract and is tried in ``tests/integration``.

Transactions are signed by a stand-in, so that these tests need no library of the venue's: what is tried is what happens
to a transaction, not its signature.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from perpkit.adapters.lighter.signing.tx import Signed
from perpkit.adapters.lighter.venue import LighterVenue
from perpkit.core.opening import open_venue
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from tests.adapters.lighter.conftest import EXAMPLES

KEY = bytes(range(1, 41)).hex()
ACCOUNT = 12345


@dataclass
class Asked:
    """One request. The form of a POST is in ``form``."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    form: dict[str, str]

    @property
    def tx(self) -> dict[str, Any]:
        """What was signed of a ``sendTx``."""
        return json.loads(self.form["tx_info"])

    @property
    def txs(self) -> list[dict[str, Any]]:
        """What was signed of a ``sendTxBatch``: texts within a text."""
        return [json.loads(each) for each in json.loads(self.form["tx_infos"])]


@dataclass
class Says:
    """One answer. ``hang`` takes the request and never answers; ``drop`` closes the connection instead."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    drop: bool = False


def no(code: int, message: str = "words", status: int = 400) -> Says:
    """The venue's envelope of a refusal."""
    return Says({"code": code, "message": message}, status)


def hash_of(tx_info: str) -> str:
    """The stand-in's hash: 80 hex digits."""
    return hashlib.sha512(tx_info.encode()).hexdigest()[:80]


class StandInSigner:
    """Writes tx_info as the library does, with no signature in it."""

    def __init__(self, key_indexes=(4,)):
        self.key_indexes = key_indexes

    async def open(self):
        return None

    async def public_keys(self):
        return dict.fromkeys(self.key_indexes, "0a" * 40)

    async def sign(self, tx, *, account, key_index, nonce):
        await asyncio.sleep(0)
        body = {"AccountIndex": account, "ApiKeyIndex": key_index, **tx.fields(), "ExpiredAt": 1, "Nonce": nonce}
        info = json.dumps({**body, "Sig": "", "L2TxAttributes": tx.attributes() or None}, separators=(",", ":"))
        return Signed(code=tx.CODE, info=info, hash=hash_of(info), nonce=nonce)

    async def auth_token(self, deadline, *, account):
        return f"{deadline}:{account}:{self.key_indexes[0]}:{'ab' * 80}"


class PluginUnderTest(LighterVenue):
    """The plugin with the stand-in in the place of the library."""

    def __init__(self, context):
        super().__init__(context)
        if self._session.credentials.can_sign:
            signer = StandInSigner(tuple(self._session.credentials.keys))
            self._session.signer = signer


class StubVenue:
    """``async with StubVenue() as stub``: then ``stub.say(...)``, ``stub.open(...)``, ``stub.asked``."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.nonces: dict[int, int] = defaultdict(lambda: 7)
        """The next nonce of each key, as the venue counts."""
        self._answers: dict[str, list[Any]] = defaultdict(list)
        self._release = asyncio.Event()
        self.came = asyncio.Event()
        """Set when a transaction has come."""
        rest = EXAMPLES["rest"]
        self.say("GET /api/v1/orderBookDetails", rest["OrderBookDetails"])
        self.say("GET /api/v1/account", rest["DetailedAccounts"])
        keys = [{"api_key_index": index, "public_key": "0a" * 40} for index in range(4, 8)]
        self.say("GET /api/v1/apikeys", {"code": 200, "api_keys": keys})
        self.say("GET /api/v1/nextNonce", self._next_nonce)
        self.say("POST /api/v1/sendTx", self.take)
        self.say("POST /api/v1/sendTxBatch", self.take)
        self.say("GET /api/v1/tx", lambda asked: Says({"hash": asked.query["value"], "type": 14, "status": 2}))

    def say(self, request: str, *answers: Any) -> None:
        """Queue answers for ``METHOD /path``; the last one stays. A callable is asked with the request."""
        self._answers[request] = [each if isinstance(each, Says) or callable(each) else Says(each) for each in answers]

    def requests(self, request: str) -> list[Asked]:
        """Return what was asked of one ``METHOD /path``."""
        return [each for each in self.asked if f"{each.method} {each.path}" == request]

    @property
    def sent(self) -> list[Asked]:
        """The transactions that came one at a time."""
        return self.requests("POST /api/v1/sendTx")

    def take(self, asked: Asked) -> Says:
        """Take a transaction whose nonce is the next of its key, as the venue does."""
        infos = [asked.form["tx_info"]] if "tx_info" in asked.form else json.loads(asked.form["tx_infos"])
        for info in infos:
            tx = json.loads(info)
            if tx["Nonce"] != self.nonces[tx["ApiKeyIndex"]]:
                return no(21104, "invalid nonce")
            self.nonces[tx["ApiKeyIndex"]] += 1
        hashes = [hash_of(info) for info in infos]
        return Says({"code": 200, "tx_hash": hashes if "tx_infos" in asked.form else hashes[0]})

    def _next_nonce(self, asked: Asked) -> Says:
        return Says({"code": 200, "nonce": self.nonces[int(asked.query["api_key_index"])]})

    def open(self, plugin=PluginUnderTest, **settings: Any) -> Any:
        """Return a venue that talks to this server, with one API key unless told otherwise."""
        if not {"api_keys", "readonly_token", "l1_address", "keyless"} & set(settings):
            settings = {"api_private_key": KEY, "api_key_index": 4, "account_index": ACCOUNT, **settings}
        settings.pop("keyless", None)
        return open_venue(
            "lighter",
            "local",
            rest_url=self.url,
            environ={},
            limits=RateLimiterRegistry(),
            plugin=plugin,
            **{"tier": "premium", **settings},
        )

    async def __aenter__(self) -> StubVenue:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._release.set()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = (await request.read()).decode()
        form = {name: values[0] for name, values in parse_qs(raw, strict_parsing=bool(raw)).items()}
        asked = Asked(request.method, request.path, dict(request.query), dict(request.headers), form)
        self.asked.append(asked)
        if form:
            self.came.set()
        queue = self._answers.get(f"{request.method} {request.path}")
        if not queue:
            return web.json_response({"code": 29404, "message": f"the stub knows no {request.path}"}, status=404)
        says = queue[0] if len(queue) == 1 else queue.pop(0)
        if not isinstance(says, Says):
            says = says(asked)
        if says.hang:
            await self._release.wait()
        if says.hang or says.drop:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if isinstance(says.body, str):
            return web.Response(text=says.body, status=says.status, headers=says.headers)
        return web.json_response(says.body, status=says.status, headers=says.headers)
