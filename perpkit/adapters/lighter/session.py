"""
One opened Lighter account: the HTTP client, the account's number, the signer, tokens and nonces, each made when it is
first needed.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from perpkit.adapters.lighter import endpoints, schema
from perpkit.adapters.lighter.client_ids import ClientIds
from perpkit.adapters.lighter.config import VENUE, LighterSettings
from perpkit.adapters.lighter.credentials import Credentials
from perpkit.adapters.lighter.rest import RestClient
from perpkit.adapters.lighter.signing.auth_token import StaticToken, TokenKeeper
from perpkit.adapters.lighter.signing.nonce import NonceLanes
from perpkit.adapters.lighter.signing.signer import Signer
from perpkit.core.clock import ClockReading, from_ms
from perpkit.core.context import VenueContext
from perpkit.core.errors import AuthError, CredentialsError
from perpkit.core.transport.http import HttpTimeouts
from perpkit.core.transport.redact import Secret

log = logging.getLogger(__name__)

_WORTH_TELLING = timedelta(seconds=1)

_MASTER = 0
"""``account_type`` of the account that an address owns itself, beside sub-accounts and pools."""


class Session:
    """
    What the plugin's hooks share.

    Args:
        context: The core's services.
        settings: The plugin's, validated.
        credentials: Found and shape-checked; not yet tried.
    """

    def __init__(self, context: VenueContext, settings: LighterSettings, credentials: Credentials) -> None:
        self._context = context
        self.settings = settings
        self.credentials = credentials
        context.redactor.add(*credentials.keys.values())
        if credentials.token is not None:
            context.redactor.add(Secret(credentials.token.reveal().rpartition(":")[2]))
        host = urlsplit(settings.rest_base).netloc
        account = credentials.account_index if credentials.account_index is not None else credentials.l1_address
        self.limiter = context.limiter(
            host, endpoints.quotas(settings.tier), account=str(account) if account is not None else None
        )
        self._http = context.http(
            settings.rest_base,
            limiter=self.limiter,
            headers=endpoints.HEADERS,
            timeouts=HttpTimeouts.within(settings.request_timeout),
        )
        self.signer = Signer(credentials.keys, chain_id=settings.signed_chain_id)
        self.lanes = NonceLanes(self.signer.key_indexes, self._read_nonce)
        self.client_ids = ClientIds(settings.client_ids)
        self.tokens: TokenKeeper | StaticToken | None = None
        if credentials.token is not None:
            self.tokens = StaticToken(credentials.token)
        elif credentials.can_sign:
            self.tokens = TokenKeeper(
                self._make_token, now=self.now, compare_clocks=self.measure_clock, redactor=context.redactor
            )
        self.rest = RestClient(self._http, context.redactor, settings.tier, self.tokens)
        self._account_index = credentials.account_index
        self._finding = asyncio.Lock()
        self._keys_compared = False
        self._skew = timedelta(0)

    def now(self) -> datetime:
        """Return the venue's time as far as it is known: our clock plus the difference last measured."""
        return self._context.clock.now() + self._skew

    async def open(self) -> None:
        """Read the file of client order ids, if there is one, and open the connection pool. Nothing is asked yet."""
        await self.client_ids.open()
        await self._http.__aenter__()
        # Two venues on one slot would take each other's nonces. One that names its account by the address and one that
        # names it by its number are not told to be the same: they find each other's numbers used, and go on.
        place, given = self.settings.rest_base, self.credentials
        account = given.account_index if given.account_index is not None else given.l1_address
        self.lanes.join({index: (place, account, index, _digest(key)) for index, key in given.keys.items()})

    async def close(self) -> None:
        """Close the pool, and let the file go."""
        self.lanes.leave()
        await self._http.close()
        await self.client_ids.close()

    def require_keys(self) -> None:
        """
        Refuse what needs a signature where there is no key.

        Raises:
            CredentialsError: There is none.
        """
        if not self.credentials.can_sign:
            what = "a read-only token can't sign" if self.credentials.token is not None else "none was given"
            msg = f"this needs an API key, and {what}: set account_index, api_key_index and api_private_key"
            raise CredentialsError(msg, venue=VENUE)

    async def account_index(self) -> int:
        """
        Return the account's number; one that is given by its address is looked up once.

        Raises:
            CredentialsError: No account was given, or the address has none.
        """
        if self._account_index is None:
            async with self._finding:
                if self._account_index is None:
                    self._account_index = await self._find_account()
        return self._account_index

    async def account(self) -> schema.Account:
        """
        Return the account's row: margins, positions, assets. It is public: the first time, the keys given are compared
        with those that the venue lists, since nothing else would tell that they are wrong before an order does.

        Raises:
            AuthError: The venue has no such account, or other keys of it.
        """
        index = await self.account_index()
        if self.credentials.can_sign and not self._keys_compared:
            await self._compare_keys(index)
        for row in await self.rest.get_account("index", str(index)):
            if row.index == index:
                return row
        raise AuthError(f"{VENUE} has no account {index}", venue=VENUE, operation=f"GET {endpoints.ACCOUNT}")

    async def measure_clock(self) -> ClockReading:
        """Ask for the venue's time, which it tells in whole seconds, and compare."""
        answer, reply = await self.rest.get_status()
        round_trip = reply.received_at - reply.sent_at
        ours = reply.sent_at + round_trip / 2
        earliest = from_ms(answer.timestamp * 1000)
        latest = earliest + timedelta(seconds=1)
        skew = earliest - ours if ours < earliest else max(ours - latest, timedelta(0)) * -1
        if abs(skew - self._skew) >= _WORTH_TELLING and abs(skew) >= _WORTH_TELLING:
            log.warning("this machine's clock differs from %s by %.0f s", VENUE, skew.total_seconds())
        self._skew = skew
        return ClockReading(ours + skew, skew, round_trip)

    async def _compare_keys(self, index: int) -> None:
        listed = {row.api_key_index: row.public_key.lower() for row in await self.rest.get_api_keys(index)}
        for slot, ours in (await self.signer.public_keys()).items():
            theirs = listed.get(slot)
            if theirs != ours:
                what = "another key than the one given" if theirs else "no key"
                msg = f"slot {slot} of account {index} holds {what}; check account_index, api_key_index and environment"
                raise AuthError(msg, venue=VENUE, operation=f"GET {endpoints.API_KEYS}")
        self._keys_compared = True

    async def _find_account(self) -> int:
        address = self.credentials.l1_address
        if address is None:
            msg = "this needs an account: set account_index or l1_address (LIGHTER_ACCOUNT_INDEX, LIGHTER_L1_ADDRESS)"
            raise CredentialsError(msg, venue=VENUE)
        rows = await self.rest.get_account("l1_address", address)
        own = [row.index for row in rows if row.account_type == _MASTER] or [row.index for row in rows]
        if len(own) != 1:
            known = ", ".join(str(row.index) for row in rows) or "none"
            msg = f"l1_address {address} has the accounts {known}: name one of them with account_index"
            raise CredentialsError(msg, venue=VENUE)
        return own[0]

    async def _read_nonce(self, key_index: int) -> int:
        return await self.rest.get_next_nonce(await self.account_index(), key_index)

    async def _make_token(self, deadline: int) -> str:
        return await self.signer.auth_token(deadline, account=await self.account_index())


def _digest(key: Secret) -> bytes:
    """Return what tells a key from others and does not tell it."""
    return hashlib.sha256(key.reveal().encode()).digest()
