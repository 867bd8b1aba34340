"""
A Lighter that says what it is told to, and counts nonces as the venue does.

Transactions are signed by a stand-in, so that these tests need no library of the venue's: what is tried is what happens
to a transaction, not its signature.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import defaultdict
from typing import Any

from perpkit.adapters.lighter.signing.tx import Signed
from perpkit.adapters.lighter.venue import LighterVenue
from perpkit.core.opening import open_venue
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from tests.adapters.lighter.conftest import EXAMPLES
from tests.adapters.stub import Asked, Says, StubServer

KEY = bytes(range(1, 41)).hex()
ACCOUNT = 12345


class AskedOfLighter(Asked):
    """One request, and the transactions that its form carries."""

    @property
    def tx(self) -> dict[str, Any]:
        """What was signed of a ``sendTx``."""
        return json.loads(self.form["tx_info"])

    @property
    def txs(self) -> list[dict[str, Any]]:
        """What was signed of a ``sendTxBatch``: texts within a text."""
        return [json.loads(each) for each in json.loads(self.form["tx_infos"])]


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


class StubVenue(StubServer):
    """``stub.say(...)``, ``stub.open(...)``, ``stub.asked``, ``stub.sent``."""

    request_type = AskedOfLighter

    def __init__(self) -> None:
        super().__init__()
        self.nonces: dict[int, int] = defaultdict(lambda: 7)
        """The next nonce of each key, as the venue counts."""
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

    def hear(self, asked: Asked) -> str:
        """Note that a transaction has come."""
        if asked.form:
            self.came.set()
        return super().hear(asked)

    def unknown(self, asked: Asked) -> Says:
        """The venue's refusal of a path that it does not have."""
        return no(29404, f"the stub knows no {asked.path}", 404)

    @property
    def sent(self) -> list[AskedOfLighter]:
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
