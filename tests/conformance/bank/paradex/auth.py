"""Broken plugins: credentials, tokens, rate limits, secrets."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from perpkit.adapters.paradex import endpoints
from perpkit.adapters.paradex.credentials import CredentialKind
from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.errors import CredentialsError, OrderNotFoundError, PerpkitError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Balance, Market, Order, OrderIntent, OrderRef, Position, Trade, VenueHealth
from perpkit.core.transport.http import HttpReply
from perpkit.core.transport.ratelimit import Priority
from tests.conformance.bank.paradex.shapes import WirePlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import Request, TamperedHttp

log = logging.getLogger(__name__)

TOO_MANY = 429


class _Settings(ParadexVenue):
    """Makes the plugin from other settings than it was given."""

    @staticmethod
    def other(settings: dict[str, Any]) -> dict[str, Any]:
        """Return the other settings."""
        raise NotImplementedError

    def __init__(self, context: Any) -> None:
        super().__init__(replace(context, settings=self.other(dict(context.settings))))


@broken(rules="signatures-verify", knock_on="order-types-take-effect", checks="AU1")
class OtherFieldSigned(ParadexVenue):
    """Signs a type of order other than the one that it sends, for the rarer types."""

    @classmethod
    def seams(cls) -> frozenset[str]:
        """What is changed in the session is reached by these alone."""
        return frozenset({"place_order", "place_orders", "amend_order"})

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        session: Any = self._session
        good = session.signed

        async def signed(order: Any) -> dict[str, object]:
            if not order.type.startswith("TAKE_PROFIT"):
                return await good(order)
            wrong = await good(replace(order, type="LIMIT"))
            return {**wrong, "type": order.type}

        session.signed = signed


@broken(rules="bad-credentials-are-named", checks="AU3", mistakes="M11")
class KeyNotStripped(_Settings):
    """Takes the line end that was copied with a key for a part of it."""

    @staticmethod
    def other(settings: dict[str, Any]) -> dict[str, Any]:
        """See the class."""
        key = settings.get("private_key")
        if isinstance(key, str) and key != key.strip():
            raise CredentialsError("private_key: not a hexadecimal number")
        return settings


@broken(rules="secrets-stay-hidden", checks="AU3 SE1", mistakes="M11 M12")
class BadKeyShown(ParadexVenue):
    """Shows the key that it can't read in the message about it."""

    def __init__(self, context: Any) -> None:
        try:
            super().__init__(context)
        except CredentialsError as error:
            raise CredentialsError(f"{error}: {context.settings.get('private_key')!r}") from None


@broken(rules="bad-credentials-are-named", checks="AU3", mistakes="M12")
class KeyNeededForPublicData(ParadexVenue):
    """Asks for a key before it shows any market."""

    @hookimpl
    async def fetch_markets(self) -> list[Market]:
        """See the class."""
        if self._session.credentials.kind is CredentialKind.NONE:
            raise CredentialsError("no key was given")
        return await super().fetch_markets()


@broken(rules="wrong-environment-is-detected", checks="AU4", mistakes="M12")
class ChainNeverCompared(_Settings):
    """Does not compare the chain that it is set to with the server's."""

    @staticmethod
    def other(settings: dict[str, Any]) -> dict[str, Any]:
        """See the class."""
        return {name: value for name, value in settings.items() if name != "chain_id"}


@broken(
    rules="tokens-refresh-early",
    checks="AU5 RL1",
    mistakes="M13",
)
class TokenRenewedEachTime(ParadexVenue):
    """Renews a token of five minutes five minutes before its end: a sign-in on every call."""

    @classmethod
    def seams(cls) -> frozenset[str]:
        """What is changed in the session is reached by these alone."""
        return frozenset({endpoints.AUTH})

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        tokens: Any = self._session.tokens
        if hasattr(tokens, "_renew"):
            good = tokens._renew

            async def renew() -> None:
                await good()
                tokens._life = timedelta(0)

            tokens._refresh._run = renew


class _WhenRefused:
    """Gives the token that it has until that is dropped."""

    def __init__(self, good: Any) -> None:
        self._good = good

    def __getattr__(self, name: str) -> Any:
        return getattr(self._good, name)

    async def token(self) -> Any:
        held = self._good._token
        return held if held is not None else await self._good.token()


@broken(rules="tokens-refresh-early", checks="AU5")
class TokenNeverRenewedEarly(ParadexVenue):
    """Renews the token of its requests only when the venue has refused it."""

    @classmethod
    def seams(cls) -> frozenset[str]:
        """It shows where the good plugin renews a token."""
        return frozenset({f"{endpoints.AUTH} again"})

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        session: Any = self._session
        if hasattr(session.tokens, "_renew"):
            session.rest.tokens = _WhenRefused(session.tokens)


@broken(rules="tokens-refresh-early", checks="AU5")
class SignInForEachCaller(ParadexVenue):
    """Signs in once for each caller that waits for a token."""

    @classmethod
    def seams(cls) -> frozenset[str]:
        """What is changed in the session is reached by these alone."""
        return frozenset({endpoints.AUTH})

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        tokens: Any = self._session.tokens
        if hasattr(tokens, "_renew"):
            refresh = tokens._refresh

            class _Each:
                async def __call__(self) -> None:
                    await tokens._renew()

                async def close(self) -> None:
                    await refresh.close()

            tokens._refresh = _Each()


@broken(rules="sub-keys-act-for-the-account", checks="AU6")
class SubKeySeesNothing(ParadexVenue):
    """Shows no positions to a sub-key, as if its own address had been asked about."""

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        is_sub_key = self._session.credentials.kind is CredentialKind.SUBKEY
        return [each for each in await super().fetch_positions() if not is_sub_key]


@broken(rules="clock-skew-is-handled", checks="AU7")
class OwnClockTrusted(ParadexVenue):
    """Stamps what it signs with this machine's clock, however wrong it is."""

    @classmethod
    def seams(cls) -> frozenset[str]:
        """Only then is anything learned."""
        return frozenset({endpoints.SYSTEM_TIME})

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        clock: Any = self._session.clock
        clock.learn = lambda skew: None


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[datetime, tuple[int, list[Balance]]]] = WeakKeyDictionary()


@broken(rules="balances-are-the-ledger", checks="AU7")
class AccountsShareAState(ParadexVenue):
    """Keeps the balances of a moment in the module, where two accounts of one process share them."""

    @hookimpl
    async def fetch_balances(self) -> list[Balance]:
        """See the class."""
        fresh, now = await super().fetch_balances(), self._clock.now()
        moments = _shared.setdefault(asyncio.get_running_loop(), {})
        account, balances = moments.setdefault(now, (self._session.account, fresh))
        return fresh if account == self._session.account else balances


class _NoQuotas(WirePlugin):
    """Counts some of its requests against no limit."""

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        return method, path, {**given, "quotas": {}}


@broken(
    rules="bursts-stay-under-limits clients-share-limits weights-are-the-venues",
    knock_on="retry-after-is-honoured",
    checks="RL1 RL2 RL3",
)
class NothingCounted(_NoQuotas):
    """Counts no request against any limit."""


@broken(rules="weights-are-the-venues", checks="RL3")
class OneReadNotCounted(_NoQuotas):
    """Forgets to count one of its requests."""

    paths = ("/account/info",)


@broken(rules="clients-share-limits", checks="RL2")
class BudgetOfItsOwn(ParadexVenue):
    """Has a budget of its own beside other clients of the account."""

    @classmethod
    def seams(cls) -> frozenset[str]:
        """A client that is alone has its own in any case."""
        return frozenset({"__init__ again"})

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        good = context.limiter
        session: Any = self._session
        session.limiter = good(f"own-{id(self)}", endpoints.QUOTAS, account=f"own-{id(self)}")
        session._http._limiter = session.limiter


class _Insisting(TamperedHttp):
    async def request(self, method: str, path: str, **given: Any) -> HttpReply:
        reply = await super().request(method, path, **given)
        return await super().request(method, path, **given) if reply.status == TOO_MANY else reply


@broken(rules="retry-after-is-honoured", knock_on="bad-answers-are-unknown", checks="RL4")
class InsistsAfter429(ParadexVenue):
    """Sends what was refused for being too much at once again."""

    @classmethod
    def seams(cls) -> frozenset[str]:
        """Any answer of this status."""
        return frozenset({f"status {TOO_MANY}"})

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        rest: Any = self._rest
        rest._http = _Insisting(rest._http)


@broken(rules="reads-do-not-fan-out", checks="RL6")
class AskedForEachMarket(ParadexVenue):
    """Asks once for each market what one request tells."""

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        for market in list(self._context.markets.all.values()):
            await self._rest.get_orders(market.symbol)
        return await super().fetch_positions()


@broken(rules="secrets-stay-hidden", checks="SE1", mistakes="M20")
class KeyInTheLog(ParadexVenue):
    """Writes its key into the log, next to the order that it signs with it."""

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        key = self._session.credentials.private_key
        if key is not None:
            # Spelled apart, so that the log's own redaction can't find it.
            log.warning("signing %s with %s", intent, " ".join(key.reveal()).replace(" ", ""))
        return await super().place_order(intent)


@broken(rules="no-silent-attribution", checks="SE4")
class ReferralAdded(WirePlugin):
    """Adds its author's referral code to the orders that it sends."""

    paths = ("/orders",)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        return method, path, {**given, "headers": {**(given.get("headers") or {}), "X-Referral": "friend"}}


@broken(rules="safety-calls-are-honest", knock_on="cancels-are-typed no-auth-across-redirects", checks="SE6")
class CancelAllSaysDone(ParadexVenue):
    """Says that everything is canceled, whatever the venue answers."""

    @hookimpl
    async def cancel_all_orders(self, market: Market | None) -> None:
        """See the class."""
        try:
            await super().cancel_all_orders(market)
        except PerpkitError as error:
            log.info("cancel all: %s", error.message)


@broken(rules="reads-fail-typed", knock_on="schema-changes-survive", checks="FT1", mistakes="M15")
class TradesOrNothing(ParadexVenue):
    """Answers with nothing when a read fails."""

    @hookimpl
    async def fetch_trades(self, market, since, until, limit) -> list[Trade]:
        """See the class."""
        try:
            return await super().fetch_trades(market, since, until, limit)
        except PerpkitError:
            return list[Trade]()


@broken(rules="maintenance-is-told", knock_on="market-status-follows", checks="FT3")
class AlwaysHealthy(ParadexVenue):
    """Says that the venue is well, whatever it says of itself."""

    @hookimpl
    async def check_health(self) -> VenueHealth:
        """See the class."""
        health = await super().check_health()
        return health.replace(status="ok")


@broken(rules="maintenance-is-told", checks="FT3")
class StartNeedsTheVenue(ParadexVenue):
    """Does not open while the venue is down."""

    @hookimpl
    async def start(self) -> None:
        """See the class."""
        await super().start()
        await self._rest.get_system_config()


@broken(
    rules="restart-recovers-orders lost-reply-is-unknown",
    knock_on="client-ids-are-echoed fills-add-up old-positions-are-adopted partial-fill-then-cancel "
    "random-histories-agree sizes-are-base-units sockets-fail-typed status-map-is-total venue-time-apart",
    checks="FT4",
)
class ClosedOrdersNotFound(ParadexVenue):
    """Finds an order by our id among the open ones only."""

    @hookimpl
    async def fetch_order_history(self, market, since, until, limit) -> list[Order]:
        """See the class."""
        return [each for each in await super().fetch_order_history(market, since, until, limit) if not each.is_terminal]

    @hookimpl
    async def fetch_order(self, order: OrderRef) -> Order:
        """See the class."""
        found = await super().fetch_order(order)
        if found.is_terminal and order.venue_order_id is None:
            raise OrderNotFoundError("no such order", operation="fetch_order")
        return found


@broken(rules="timestamps-plausible", knock_on="public-data-is-exact venue-time-apart", checks="TU1")
class MillisecondsAsSeconds(ParadexVenue):
    """Reads a time in another unit than it is in."""

    @hookimpl
    async def fetch_trades(self, market, since, until, limit) -> list[Trade]:
        """See the class."""
        trades = await super().fetch_trades(market, since, until, limit)
        far = timedelta(days=365 * 900)
        return [each.replace(ts_venue=each.ts_venue + far) for each in trades]


@broken(rules="venue-time-apart", knock_on="public-data-is-exact", checks="TU2")
class LocalTimeAsEventTime(ParadexVenue):
    """Hands the time of receiving on as the time of the event."""

    @hookimpl
    async def fetch_trades(self, market, since, until, limit) -> list[Trade]:
        """See the class."""
        trades = await super().fetch_trades(market, since, until, limit)
        return [each.replace(ts_venue=each.ts_received) for each in trades]


@broken(
    rules="ratios-are-fractions",
    knock_on="bad-rows-are-skipped listings-refresh market-rules-are-exact",
    checks="TU4",
)
class FeesInBasisPoints(ParadexVenue):
    """Hands fees on in basis points."""

    @hookimpl
    async def fetch_markets(self) -> list[Market]:
        """See the class."""
        return [
            each.replace(taker_fee=None if each.taker_fee is None else each.taker_fee * 10_000)
            for each in await super().fetch_markets()
        ]


@broken(
    rules="wire-numbers-canonical",
    knock_on="amends-are-exact order-types-take-effect signatures-verify",
    checks="TU5",
)
class ExponentOnTheWire(WirePlugin):
    """Writes the price of a trigger with an exponent, where it ends in zeros."""

    paths = ("/orders",)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        body = msgspec.json.decode(given["body"]) if method == "POST" else {}
        if "trigger_price" in body:
            body["trigger_price"] = str(Decimal(body["trigger_price"]).normalize())
            given = {**given, "body": msgspec.json.encode(body)}
        return method, path, given


@broken(rules="cancellation-is-safe", checks="FT7")
class LockKeptByTheDead(ParadexVenue):
    """Does not let go of a lock when its caller is canceled."""

    @cached_property
    def _one_at_a_time(self) -> asyncio.Lock:
        return asyncio.Lock()

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        await self._one_at_a_time.acquire()
        try:
            order = await super().place_order(intent)
        except Exception:
            self._one_at_a_time.release()
            raise
        self._one_at_a_time.release()
        return order


@broken(rules="retry-after-is-honoured", checks="RL4")
class CancelsWaitInLine(WirePlugin):
    """Sends cancels with no more urgency than orders, so that they wait behind them."""

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        return method, path, {**given, "priority": Priority.NORMAL} if "priority" in given else given


@broken(rules="secrets-stay-hidden", checks="SE1", mistakes="M20")
class KeyInItsRepr(ParadexVenue):
    """Shows its key when it is printed."""

    def __repr__(self) -> str:
        key = self._session.credentials.private_key
        return f"ParadexVenue({key.reveal() if key is not None else None})"
