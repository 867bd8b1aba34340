"""Broken plugins: orders of Extended, what they are signed with, and what is canceled."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Any

import msgspec

from perpkit.adapters.extended import endpoints
from perpkit.adapters.extended.encode import Rates
from perpkit.adapters.extended.signing import (
    DOMAIN_NAME,
    DOMAIN_REVISION,
    DOMAIN_VERSION,
    Signer,
    Terms,
    ToSign,
    amounts,
    settlement_expiration,
)
from perpkit.adapters.extended.venue import ExtendedVenue
from perpkit.core.clock import to_ms
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Market, Order, OrderIntent, Side
from perpkit.core.transport.http import HttpReply
from perpkit.crypto.stark.perpetuals import Domain, PerpetualOrder, order_message_hash
from tests.conformance.bank.extended.shapes import SettingsPlugin, SignedPlugin, WirePlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import Request

_ORDERS = frozenset({"place_order", "amend_order"})

# Expiry


@broken(rules="expiry-is-explicit", checks="OR19")
class OneHourExpiry(SettingsPlugin):
    """Lets every order that names no expiry expire after an hour, as the venue's SDK does."""

    passes = _ORDERS

    @staticmethod
    def other(settings: dict[str, Any]) -> dict[str, Any]:
        """See the class."""
        return {**settings, "order_life": "PT1H"}


# What is signed


@broken(rules="fees-are-the-ledgers", checks="MK4 FL3 OR3", mistakes="M18")
class FeeRateIsAConstant(SignedPlugin):
    """Signs today's published fee as the most that it accepts, whatever the account pays."""

    def spoil(self, session: Any) -> None:
        """See the class."""

        async def rates(market: Market, *, is_maker: bool) -> Rates:
            return Rates(Decimal(0) if is_maker else Decimal("0.00025"))

        session.rates = rates


class _RoundsUp(Signer):
    """Rounds a seller's amounts up, as if all were buyers'."""

    def message_hash(self, order: ToSign, terms: Terms, *, expiry_ms: int, nonce: int) -> int:
        """See the class."""
        scaled, sign = amounts(replace(order, side=Side.BUY), terms), order.side.sign
        message = PerpetualOrder(
            position_id=self.vault,
            base_asset=terms.synthetic.id,
            base_amount=scaled.base * sign,
            quote_asset=terms.collateral.id,
            quote_amount=scaled.quote * sign,
            fee_asset=terms.collateral.id,
            fee_amount=scaled.fee,
            expiration=settlement_expiration(expiry_ms),
            salt=nonce,
        )
        domain = Domain(DOMAIN_NAME, DOMAIN_VERSION, self.chain_id, DOMAIN_REVISION)
        return order_message_hash(message, signer=self.public_key, domain=domain)


@broken(rules="signed-is-sent", knock_on="quantized-orders-are-accepted", checks="OR3 AU1 AU2")
class RoundedUpForBothSides(SignedPlugin):
    """Rounds what a seller signs up, as for a buyer; seen only where an amount does not scale without a rest."""

    def spoil(self, session: Any) -> None:
        """See the class."""
        good = session.signer

        async def signer() -> Signer:
            found: Signer = await good()
            return _RoundsUp(found.private_key, found.public_key, found.vault, found.chain_id)

        session.signer = signer


class _Seconds:
    """Nonces that are the clock's second."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def next(self) -> int:
        """Return the second."""
        return to_ms(self._clock.now()) // 1000


@broken(
    rules="nonces-survive-concurrency",
    knock_on="amends-are-exact bursts-stay-under-limits cancellation-is-safe clock-skew-is-handled "
    "message-disorder-is-harmless odd-frames-are-ignored old-never-overwrites-new "
    "order-types-take-effect random-histories-agree retry-after-is-honoured signatures-verify "
    "slow-consumers-are-told sockets-fail-typed",
    checks="OR20 OR6",
)
class NonceIsTheSecond(SignedPlugin):
    """Salts an order with the second: two alike in one second have one hash, and share what may be filled of them."""

    def spoil(self, session: Any) -> None:
        """See the class."""
        session.nonces = _Seconds(self._clock)


@broken(rules="no-silent-attribution", knock_on="fees-are-the-ledgers", checks="SE4")
class BuilderFeeUnasked(SettingsPlugin):
    """Adds a builder, who gets a hundredth of a percent of every order, as ccxt does."""

    passes = _ORDERS

    @staticmethod
    def other(settings: dict[str, Any]) -> dict[str, Any]:
        """See the class."""
        return {**settings, "builder_id": 2017, "builder_fee": "0.0001"}


class _Legs(WirePlugin):
    """Sends legs that are spoiled."""

    paths = (endpoints.ORDER,)

    def leg(self, leg: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
        """Return a leg of an order as it is sent."""
        raise NotImplementedError

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        if method == "POST" and path == endpoints.ORDER:
            body = msgspec.json.decode(given["body"])
            legs = {name: self.leg(body[name], body) for name in ("takeProfit", "stopLoss") if name in body}
            if legs:
                given = {**given, "body": msgspec.json.encode({**body, **legs})}
        return method, path, given


@broken(rules="order-types-take-effect", checks="OR1 AU1")
class LegsBearTheOrdersSignature(_Legs):
    """Sends the order's signature with its take-profit and its stop-loss, which each need one of their own."""

    def leg(self, leg: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
        """See the class."""
        return {**leg, "settlement": order["settlement"]} if "settlement" in order else leg


@broken(rules="order-types-take-effect", checks="OR1 AU1")
class LegsUnsigned(_Legs):
    """Sends a take-profit and a stop-loss without any signature."""

    def leg(self, leg: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
        """See the class."""
        return {name: value for name, value in leg.items() if name != "settlement"}


# What is sent


@broken(
    rules="reduce-only-never-opens",
    knock_on="late-refusals-surface order-types-take-effect rejections-say-why",
    checks="OR18",
)
class ReduceOnlyLeftOut(ExtendedVenue):
    """Sends a reduce-only order as a plain one."""

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        return await super().place_order(intent.replace(reduce_only=False))


@broken(rules="cancel-all-keeps-its-scope", checks="OR15")
class CancelAllBesideMarkets(WirePlugin):
    """Sends ``cancelAll`` together with the markets, which it overrides: the whole account is canceled for one."""

    paths = (endpoints.MASS_CANCEL,)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        body = msgspec.json.decode(given["body"])
        if "markets" in body:
            given = {**given, "body": msgspec.json.encode({**body, "cancelAll": True})}
        return method, path, given


@broken(
    rules="amends-are-exact",
    knock_on="bad-answers-are-unknown signatures-verify wire-numbers-canonical",
    checks="OR16",
)
class ReplacedByTheVenuesId(WirePlugin):
    """Names the order to replace by the venue's id, where ``cancelId`` is the external one."""

    paths = (endpoints.ORDER,)

    @cached_property
    def _ids(self) -> dict[str, str]:
        return {}

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        if method == "POST" and path == endpoints.ORDER:
            body = msgspec.json.decode(given["body"])
            if "cancelId" in body:
                body["cancelId"] = self._ids.get(body["cancelId"], body["cancelId"])
                given = {**given, "body": msgspec.json.encode(body)}
        return method, path, given

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """Note which id the venue gave which order."""
        try:
            answer = msgspec.json.decode(reply.body)
        except msgspec.DecodeError:
            return reply
        if isinstance(answer, dict) and isinstance(answer.get("data"), dict) and "externalId" in answer["data"]:
            self._ids[answer["data"]["externalId"]] = str(answer["data"]["id"])
        return reply


@broken(rules="safety-calls-are-honest", checks="SE6")
class SwitchInMilliseconds(WirePlugin):
    """Sends the dead man's switch its time in milliseconds, where it is in seconds: it goes off days too late."""

    paths = (endpoints.DEAD_MAN_SWITCH,)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        params = [(name, value * 1000) for name, value in given["params"]]
        return method, path, {**given, "params": params}
