"""
The session behind private calls: server time, chain id, signer, and a JWT that is always fresh.

A JWT lives five minutes and can't be extended, so a new one is fetched after three fifths of its life, by one request
however many callers wait. The read-only credential is such a token already and is used as it is.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar

import msgspec

from perpkit.adapters.paradex import endpoints, schema
from perpkit.adapters.paradex.config import VENUE, ParadexSettings
from perpkit.adapters.paradex.credentials import CredentialKind, Credentials
from perpkit.adapters.paradex.sdk_signer import SdkSigner, require_agreement, sdk_is_installed
from perpkit.adapters.paradex.signing import NativeSigner, Signer, derive_account
from perpkit.core.clock import Clock
from perpkit.core.errors import AuthError, ConfigError, CredentialsError, DecodeError, TransportError
from perpkit.core.single_flight import SingleFlight
from perpkit.core.transport.redact import Redactor, Secret
from perpkit.crypto.stark import public_key
from perpkit.crypto.stark.field import SHORT_STRING_LIMIT

log = logging.getLogger(__name__)

T = TypeVar("T")

SIGNATURE_LIFE: Final = timedelta(minutes=30)
"""How long a sign-in's signature stays good. The venue allows a week; it is used at once."""

_NS_PER_MS: Final = 1_000_000
_WORTH_CORRECTING: Final = timedelta(seconds=1)


class ServerClock:
    """
    The venue's time as far as it is known: our clock plus the difference last measured. Signatures carry its time, so
    a clock that is off by a minute signs orders that are good.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ms = 0

    def learn(self, skew: timedelta) -> None:
        """Take the venue's time minus ours. Less than a second is left alone: it is mostly the network's."""
        corrected = skew if abs(skew) >= _WORTH_CORRECTING else timedelta(0)
        offset_ms = corrected // timedelta(milliseconds=1)
        if offset_ms and offset_ms != self._offset_ms:
            log.warning("this machine's clock differs from %s by %.1f s; correcting for it", VENUE, offset_ms / 1000)
        self._offset_ms = offset_ms

    def now_ms(self) -> int:
        """Return the venue's time in milliseconds."""
        return self._clock.time_ns() // _NS_PER_MS + self._offset_ms

    def now_s(self) -> int:
        """Return the venue's time in whole seconds."""
        return self.now_ms() // 1000


class TokenKeeper:
    """
    Holds the JWT and gets a new one in time.

    Args:
        sign_in: Fetches a new token from the venue.
    """

    def __init__(self, sign_in: Callable[[], Awaitable[str]], clock: Clock, redactor: Redactor) -> None:
        self._sign_in = sign_in
        self._clock = clock
        self._redactor = redactor
        self._token: Secret | None = None
        self._got_at = 0.0
        self._life = endpoints.TOKEN_LIFE
        self._refresh = SingleFlight(self._renew)

    async def token(self) -> Secret:
        """
        Return a token with at least two fifths of its life left. Should renewing it fail on the network while the old
        one is still good, the old one is returned.

        Raises:
            AuthError: The venue refused the sign-in.
            TransportError: No answer to it, and no token that is still good.
        """
        token, age = self._token, self._age()
        if token is not None and age < self._life * 0.6:
            return token
        try:
            await self._refresh()
        except TransportError as error:
            if token is not None and self._token is token and age < self._life * 0.9:
                log.warning("renewing the session with %s failed (%s); the old one is still good", VENUE, error)
                return token
            raise
        if self._token is None:
            raise AuthError("the session was dropped while it was renewed; try again", venue=VENUE)
        return self._token

    def drop(self, token: Secret) -> None:
        """Forget a token that the venue has refused, unless a newer one has taken its place."""
        if self._token is token:
            self._token = None

    async def close(self) -> None:
        """Stop a sign-in under way."""
        await self._refresh.close()

    def _age(self) -> timedelta:
        return timedelta(seconds=self._clock.monotonic() - self._got_at)

    async def _renew(self) -> None:
        asked_at = self._clock.monotonic()
        text = await self._sign_in()
        token = Secret(text)
        self._redactor.rotate("paradex session", token)
        # Its age counts from before the request: the venue dated it while answering.
        self._token, self._got_at, self._life = token, asked_at, _life_of(text)


class _Claims(msgspec.Struct):
    exp: int
    iat: int


def _life_of(token: str) -> timedelta:
    """Return how long a token lives by its own two dates, which are of one clock; without good ones, five minutes."""
    parts = token.split(".")
    if len(parts) != 3:
        return endpoints.TOKEN_LIFE
    try:
        raw = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = msgspec.json.decode(raw, type=_Claims, strict=False)
        life = timedelta(seconds=claims.exp - claims.iat)
    except (ValueError, OverflowError, msgspec.DecodeError):
        return endpoints.TOKEN_LIFE
    return life if life > timedelta(0) else endpoints.TOKEN_LIFE


class StaticToken:
    """The read-only credential in the place of a :class:`TokenKeeper`. There is no renewing it."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    async def token(self) -> Secret:
        """Return the token."""
        return self._token

    def drop(self, token: Secret) -> None:
        """Say that it was refused. It can't be replaced, so it is kept: the venue's refusal goes to the caller."""
        log.warning("%s refused the read-only token: it may have been revoked or be of another environment", VENUE)


async def make_signer(settings: ParadexSettings, credentials: Credentials, config: schema.SystemConfig) -> Signer:
    """
    Make the signer that the settings ask for, bound to the chain that the server says it is.

    Where paradex-py is installed it is compared with the native signer first, in a thread: importing it takes seconds.

    Raises:
        ConfigError: The server is of another chain than the environment; or the two signers disagree, and nothing may
            be signed.
        DecodeError: What the server calls its chain can't be one.
        CredentialsError: There is no key, or the account can't be told.
    """
    chain_id = config.starknet_chain_id
    known = settings.known_chain_id
    if known is not None and known != chain_id:
        msg = (
            f"the server at {settings.rest_base} is of chain {chain_id}, but {settings.environment} is {known}: a "
            "signature for one is worth nothing on the other. Set environment, or rest_url and chain_id, right"
        )
        raise ConfigError(msg, venue=VENUE)
    if not (chain_id.isascii() and 0 < len(chain_id) <= SHORT_STRING_LIMIT):
        raise DecodeError(f"starknet_chain_id {chain_id[:40]!r} is no chain's: at most 31 characters", venue=VENUE)
    key = credentials.signing_key()
    account = account_of(credentials, config)
    native = NativeSigner(key, account, chain_id)
    wants_sdk = settings.signer == "sdk"
    if not wants_sdk and not (settings.self_check and sdk_is_installed()):
        return native
    return await asyncio.to_thread(_checked_signer, native, key, account, chain_id, wants_sdk=wants_sdk)


def _checked_signer(native: NativeSigner, key: int, account: int, chain_id: str, *, wants_sdk: bool) -> Signer:
    sdk = SdkSigner(key, account, chain_id)
    require_agreement(native, sdk)
    return sdk if wants_sdk else native


def account_of(credentials: Credentials, config: schema.SystemConfig) -> int:
    """
    Return the main account's address: the one given, or the one that the main key owns.

    Raises:
        CredentialsError: None is given and it can't be derived.
        DecodeError: What the server says to derive it from can't be read.
    """
    if credentials.account is not None:
        return credentials.account
    hashes = (config.paraclear_account_hash, config.paraclear_account_proxy_hash)
    if credentials.kind is not CredentialKind.MAIN or not all(hashes):
        msg = "the account's address is needed: set account (PARADEX_ACCOUNT)"
        raise CredentialsError(msg, venue=VENUE)
    key = public_key(credentials.signing_key())
    try:
        account_hash, proxy_hash = (int(text, 16) for text in hashes)
        return derive_account(key, account_hash=account_hash, proxy_hash=proxy_hash)
    except ValueError:
        given = " and ".join(repr(text[:70]) for text in hashes)
        msg = f"paraclear_account_hash and its proxy's are no Starknet numbers: {given}; set account (PARADEX_ACCOUNT)"
        raise DecodeError(msg, venue=VENUE) from None
