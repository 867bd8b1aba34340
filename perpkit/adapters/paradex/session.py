"""
One opened Paradex account: the HTTP client, the session behind private calls, and the signer, each made when it is
first needed.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from perpkit.adapters.paradex import endpoints
from perpkit.adapters.paradex.auth import (
    SIGNATURE_LIFE,
    ServerClock,
    StaticToken,
    TokenKeeper,
    account_of,
    make_signer,
)
from perpkit.adapters.paradex.config import VENUE, ParadexSettings
from perpkit.adapters.paradex.credentials import CredentialKind, Credentials
from perpkit.adapters.paradex.encode import Unsigned
from perpkit.adapters.paradex.errors import BAD_TIME
from perpkit.adapters.paradex.rest import RestClient
from perpkit.adapters.paradex.sdk_signer import SdkSigner
from perpkit.adapters.paradex.signing import Signer
from perpkit.adapters.paradex.stamps import Stamps, stamps_of
from perpkit.core.clock import ClockReading, from_ms
from perpkit.core.context import VenueContext
from perpkit.core.errors import AuthError, ConfigError, DecodeError
from perpkit.core.single_flight import SingleFlight
from perpkit.core.transport.http import HttpTimeouts
from perpkit.crypto.stark import public_key


class Session:
    """
    What the plugin's hooks share.

    Args:
        context: The core's services.
        settings: The plugin's, validated.
        credentials: Found and shape-checked; not yet tried.
    """

    def __init__(self, context: VenueContext, settings: ParadexSettings, credentials: Credentials) -> None:
        self._context = context
        self.settings = settings
        self.credentials = credentials
        self.clock = ServerClock(context.clock)
        context.redactor.add(credentials.private_key, credentials.token)
        host = urlsplit(settings.rest_base).netloc
        self.limiter = context.limiter(host, endpoints.QUOTAS, account=_limited_as(credentials))
        self._http = context.http(
            settings.rest_base,
            limiter=self.limiter,
            headers=endpoints.HEADERS,
            timeouts=HttpTimeouts.within(settings.request_timeout),
        )
        self.rest = RestClient(self._http, context.redactor)
        self.account = credentials.account or 0
        self._stamps = Stamps()
        self._signer: Signer | None = None
        self._prepare = SingleFlight(self._make_signer)
        self.tokens: TokenKeeper | StaticToken | None = None
        if credentials.token is not None:
            self.tokens = StaticToken(credentials.token)
        elif credentials.can_sign:
            self.tokens = TokenKeeper(self._sign_in, context.clock, context.redactor)
        self.rest.tokens = self.tokens

    async def open(self) -> None:
        """Open the connection pool. Nothing is asked yet."""
        await self._http.__aenter__()

    async def close(self) -> None:
        """Stop what is under way and close the pool."""
        await self._prepare.close()
        if isinstance(self.tokens, TokenKeeper):
            await self.tokens.close()
        await self._http.close()

    async def signer(self) -> Signer:
        """
        Return the signer; the first call asks the venue for its chain and its time.

        Raises:
            CredentialsError: There is no signing key.
            ConfigError: The server is of another chain, or two signers disagree.
        """
        if self._signer is None:
            self.credentials.signing_key()
            await self._prepare()
        if self._signer is None:
            raise ConfigError("the signer could not be made", venue=VENUE)
        return self._signer

    async def signed(self, order: Unsigned) -> dict[str, object]:
        """Return an order's body with its signature, dated by the venue's clock."""
        signer = await self.signer()
        now = self._next_stamp()
        # The SDK takes several milliseconds, which the event loop has not got.
        if isinstance(signer, SdkSigner):
            signature = await asyncio.to_thread(signer.sign_order, order, now)
        else:
            signature = signer.sign_order(order, now)
        return order.signed(now, signature)

    def _next_stamp(self) -> int:
        return self._stamps.next(self.clock.now_ms())

    async def measure_clock(self) -> ClockReading:
        """Ask for the venue's time and learn how ours differs."""
        answer, reply = await self.rest.get_system_time()
        round_trip = reply.received_at - reply.sent_at
        if answer.server_time <= 0:
            raise DecodeError(f"the venue says that it is {answer.server_time} ms since 1970", venue=VENUE)
        server_time = from_ms(answer.server_time)
        reading = ClockReading(server_time, server_time - (reply.sent_at + round_trip / 2), round_trip)
        self.clock.learn(reading.skew)
        return reading

    async def _make_signer(self) -> None:
        config = await self.rest.get_system_config()
        await self.measure_clock()
        self.account = account_of(self.credentials, config)
        self._stamps = stamps_of(self.settings.rest_base, self.account)
        self._signer = await make_signer(self.settings, self.credentials, config)

    async def _sign_in(self) -> str:
        signer = await self.signer()
        try:
            return await self._ask_for_token(signer)
        except AuthError as error:
            if error.code != BAD_TIME:
                raise
        # Our clock moved since it was compared with the venue's.
        await self.measure_clock()
        return await self._ask_for_token(signer)

    async def _ask_for_token(self, signer: Signer) -> str:
        timestamp = self.clock.now_s()
        expiration = timestamp + int(SIGNATURE_LIFE.total_seconds())
        if isinstance(signer, SdkSigner):
            signature = await asyncio.to_thread(signer.sign_auth, timestamp, expiration)
        else:
            signature = signer.sign_auth(timestamp, expiration)
        headers = {
            "PARADEX-STARKNET-ACCOUNT": hex(self.account),
            "PARADEX-STARKNET-SIGNATURE": signature,
            "PARADEX-TIMESTAMP": str(timestamp),
            "PARADEX-SIGNATURE-EXPIRATION": str(expiration),
        }
        answer = await self.rest.post_auth(signer.public_key, headers, self.settings.token_usage)
        return answer.jwt_token


def _limited_as(credentials: Credentials) -> str | None:
    """Return what the venue counts this client's private requests by, as far as it is known before signing in."""
    if credentials.account is not None:
        return hex(credentials.account)
    if credentials.kind is CredentialKind.MAIN:
        return hex(public_key(credentials.signing_key()))
    # Two read-only tokens may be of one account; counting them apart is the error that costs a 429, not a ban.
    return str(hash(credentials.token)) if credentials.token is not None else None
