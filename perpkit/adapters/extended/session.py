"""
One opened sub-account: the HTTP client, the check that its credentials belong together, the signer that follows from
it, and the account's fees.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from perpkit.adapters.extended import endpoints, schema
from perpkit.adapters.extended.config import VENUE, ExtendedSettings
from perpkit.adapters.extended.credentials import Credentials
from perpkit.adapters.extended.encode import Rates
from perpkit.adapters.extended.rest import RestClient
from perpkit.adapters.extended.signing import DOMAIN_NAME, DOMAIN_REVISION, DOMAIN_VERSION, Signer
from perpkit.core.context import VenueContext
from perpkit.core.errors import ConfigError, CredentialsError, DecodeError
from perpkit.core.models import Market
from perpkit.core.single_flight import SingleFlight
from perpkit.core.transport.http import HttpTimeouts

_LONGEST_VAULT: Final = 40
_FEES_GOOD_FOR: Final = timedelta(hours=1)
"""A rate that fell meanwhile costs nothing: the signed one is a maximum. One that rose is refused, and read again."""


@dataclass(frozen=True, slots=True)
class _Fees:
    maker: Decimal
    taker: Decimal
    read_at: datetime


class Nonces:
    """
    Numbers from 1 to 2^31 - 1, none twice: they salt the order's hash, by which the chain counts its fills.

    They start anywhere, so that two processes, or two runs of one, do not walk side by side.
    """

    def __init__(self, start: int) -> None:
        self._last = start % endpoints.MAX_NONCE

    def next(self) -> int:
        """Return the next number."""
        self._last = self._last % endpoints.MAX_NONCE + 1
        return self._last


class Session:
    """
    What the plugin's hooks share.

    Args:
        context: The core's services.
        settings: The plugin's, validated.
        credentials: Found and shape-checked; not yet tried.
    """

    def __init__(self, context: VenueContext, settings: ExtendedSettings, credentials: Credentials) -> None:
        self._context = context
        self.settings = settings
        self.credentials = credentials
        context.redactor.add(credentials.api_key, credentials.private_key)
        host = urlsplit(settings.rest_base).netloc
        quotas = endpoints.quotas(market_maker=settings.rate_limit == "market_maker")
        self._http = context.http(
            settings.rest_base,
            limiter=context.limiter(host, quotas),
            headers=endpoints.HEADERS,
            timeouts=HttpTimeouts.within(settings.request_timeout),
        )
        self.rest = RestClient(self._http, context.redactor, credentials.api_key)
        self.rest.before_private = self.check
        self.nonces = Nonces(context.rng.randrange(endpoints.MAX_NONCE))
        self.account_id: str | None = None
        self._signer: Signer | None = None
        self._is_checked = False
        self._checking = SingleFlight(self._check)
        self._fees: dict[str, _Fees] = {}

    async def open(self) -> None:
        """Open the connection pool. Nothing is asked yet."""
        await self._http.__aenter__()

    async def close(self) -> None:
        """Stop what is under way and close the pool."""
        await self._checking.close()
        await self._http.close()

    async def check(self) -> None:
        """
        See once that API key, Stark key, vault and environment belong together: apart, each mismatch would show up as
        a refused signature of the first order, which says nothing of which it was.

        Raises:
            CredentialsError: The Stark key or the vault is not the account's.
            ConfigError: The server is of another chain than the signatures.
        """
        if not self._is_checked:
            await self._checking()

    async def signer(self) -> Signer:
        """
        Return the signer, after the check.

        Raises:
            CredentialsError: There is no Stark key, or it is not the account's.
        """
        if self._signer is None:
            self.credentials.signing_key()
            await self.check()
        if self._signer is None:
            raise ConfigError("the signer could not be made", venue=VENUE)
        return self._signer

    async def rates(self, market: Market, *, is_maker: bool) -> Rates:
        """
        Return what an order on a market costs at most: the account's own rates, never a constant.

        Raises:
            DecodeError: The answer does not name the market, or names what is no fraction.
        """
        now = self._context.clock.now()
        known = self._fees.get(market.symbol)
        if known is None or now - known.read_at > _FEES_GOOD_FOR:
            self.learn_fees(await self.rest.get_fees([market.symbol]))
            known = self._fees.get(market.symbol)
        if known is None:
            msg = f"the answer holds no fees of {market.id}"
            raise DecodeError(msg, venue=VENUE, operation=f"GET {endpoints.FEES}")
        fee = known.maker if is_maker else known.taker
        if not fee < 1:
            msg = f"the fee of {market.id}, {fee}, is no fraction of what is traded"
            raise DecodeError(msg, venue=VENUE, operation=f"GET {endpoints.FEES}")
        # A rebate is paid out apart from the trades; what is signed is never below zero.
        return Rates(max(fee, Decimal(0)), self.settings.builder_id, self.settings.builder_fee)

    def learn_fees(self, rows: list[schema.Fee]) -> None:
        """Keep what the venue says of the account's fees."""
        now = self._context.clock.now()
        for row in rows:
            self._fees[row.market] = _Fees(row.maker_fee_rate, row.taker_fee_rate, now)

    def forget_fees(self, market: Market) -> None:
        """Have a market's fees read again, after the venue found a signed one too low."""
        self._fees.pop(market.symbol, None)

    async def _check(self) -> None:
        found = await self.rest.get_account_info()
        credentials = self.credentials
        vault = _vault_of(found)
        identity = found.account_id if found.account_id is not None else found.id
        whose = f"the API key opens account {identity} with vault {vault}"
        if credentials.public_key is not None and _key_of(found) != credentials.public_key:
            msg = f"stark_private_key is not that account's: {whose}; copy key and API key from one sub-account"
            raise CredentialsError(msg, venue=VENUE)
        if credentials.vault is not None and credentials.vault != vault:
            msg = f"vault {credentials.vault} is not that account's: {whose}; copy both from one sub-account"
            raise CredentialsError(msg, venue=VENUE)
        if credentials.can_sign and credentials.public_key is not None:
            chain_id = self._chain_of(await self.rest.get_starknet())
            self._signer = Signer(credentials.signing_key(), credentials.public_key, vault, chain_id)
        self.account_id = str(identity) if identity is not None else None
        self._is_checked = True

    def _chain_of(self, domain: schema.Domain) -> str:
        """Return the chain that signatures are for, after comparing it with the server's."""
        known = self.settings.known_chain_id
        if known is not None and known != domain.chain_id:
            msg = (
                f"this environment signs for {known}, and {self.settings.rest_base} is {domain.chain_id}: keys and "
                "signatures of one are worthless on the other; correct environment, chain_id or rest_url"
            )
            raise ConfigError(msg, venue=VENUE)
        served = (domain.name, domain.version, domain.revision)
        if served != (DOMAIN_NAME, DOMAIN_VERSION, DOMAIN_REVISION):
            msg = f"the server signs in the domain {served}, which this version of perpkit does not know: update it"
            raise ConfigError(msg, venue=VENUE)
        return domain.chain_id


def _key_of(account: schema.Account) -> int:
    try:
        return int(account.l2_key, 16)
    except ValueError:
        raise DecodeError(f"account: l2Key {account.l2_key[:40]!r} is not hexadecimal", venue=VENUE) from None


def _vault_of(account: schema.Account) -> int:
    text = str(account.l2_vault)
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_VAULT):
        raise DecodeError(f"account: l2Vault {text[:40]!r} is no number", venue=VENUE)
    return int(text)
