"""
The body of ``POST /user/order``: from JSON to a request that holds together, before any look at market or account.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from perpkit.sim.orders import Side
from perpkit.sim.venues.extended.errors import ApiError, Code
from perpkit.sim.venues.extended.fields import Fields

TYPES = ("LIMIT", "MARKET", "CONDITIONAL", "TPSL")
TIMES_IN_FORCE = ("GTT", "IOC", "TOB")
PRICE_TYPES = ("LIMIT", "MARKET")
TRIGGER_PRICES = ("LAST", "MARK", "INDEX")
MAX_NONCE = 2**31
MAX_LOOSE_NONCE = 2**64 - 1
"""What the venue's own signing library takes; its SDK draws up to 2^32."""

BODY = frozenset(
    {
        *("id", "market", "type", "side", "qty", "price", "timeInForce", "expiryEpochMillis", "fee", "nonce"),
        *("selfTradeProtectionLevel", "settlement", "reduceOnly", "postOnly", "cancelId", "trigger", "tpSlType"),
        *("takeProfit", "stopLoss", "builderFee", "builderId", "debuggingAmounts", "rfqStartPrice"),
    }
)
LEG = frozenset(["triggerPrice", "triggerPriceType", "price", "priceType", "settlement", "debuggingAmounts"])
TRIGGER = frozenset(["triggerPrice", "triggerPriceType", "direction", "executionPriceType"])
SETTLEMENT = frozenset(["signature", "starkKey", "collateralPosition"])
AMOUNTS = frozenset(["collateralAmount", "feeAmount", "syntheticAmount"])


@dataclass(frozen=True, slots=True)
class Signed:
    """A settlement object: who signed, for which vault, and the signature."""

    stark_key: int
    vault: int
    signature: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a conditional order wakes and how it executes then."""

    price: Decimal
    kind: str
    direction: str
    execution: str

    def body(self) -> dict[str, str]:
        """Return it as the wire has it."""
        return {
            "triggerPrice": f"{self.price:f}",
            "triggerPriceType": self.kind,
            "direction": self.direction,
            "executionPriceType": self.execution,
        }


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a TP/SL."""

    trigger_price: Decimal
    kind: str
    price: Decimal
    execution: str
    signed: Signed

    def body(self) -> dict[str, str]:
        """Return it as the wire has it."""
        return {
            "triggerPrice": f"{self.trigger_price:f}",
            "triggerPriceType": self.kind,
            "price": f"{self.price:f}",
            "priceType": self.execution,
        }


@dataclass(frozen=True, slots=True)
class ParsedOrder:
    """A request for a new order that holds together."""

    external_id: str
    market: str
    type: str
    side: Side
    qty: Decimal
    price: Decimal
    time_in_force: str
    expiry_ms: int
    fee: Decimal
    nonce: int
    protection: str
    reduce_only: bool
    post_only: bool
    cancel_id: str | None
    signed: Signed | None
    trigger: Trigger | None
    tpsl_type: str | None
    take_profit: Leg | None
    stop_loss: Leg | None
    builder_fee: Decimal
    is_rfq_priced: bool

    @property
    def is_market(self) -> bool:
        """Tell whether it takes what it finds, at once or when it wakes."""
        return self.type == "MARKET" or (self.trigger is not None and self.trigger.execution == "MARKET")

    @property
    def total_fee(self) -> Decimal:
        """Return the rate that is signed: the order's and the builder's."""
        return self.fee + self.builder_fee

    @property
    def legs(self) -> list[tuple[str, Leg]]:
        """Return the TP/SL legs that are given, by their names on the wire."""
        named = (("takeProfit", self.take_profit), ("stopLoss", self.stop_loss))
        return [(name, leg) for name, leg in named if leg is not None]


class Parser:
    """
    Reads order bodies.

    Args:
        strict: Refuse what the contract does not list; otherwise ``note`` is told of it.
    """

    def __init__(self, *, strict: bool, note: Callable[[str], None]) -> None:
        self._strict = strict
        self._note = note

    def parse(self, body: Any) -> ParsedOrder:
        """
        Return an order from a request's body.

        Raises:
            ApiError: 1130 to 1133, 1139, 1143 or 1144, naming the field.
        """
        fields = self._fields(body, "the body", BODY)
        kind = fields.text("type", enum=(*TYPES, "TWAP"))
        if kind == "TWAP":
            raise fields.refusal("type: TWAP orders are not offered here", Code.NOT_ALLOWED_ORDER_TYPE)
        if fields.has("debuggingAmounts"):
            self._amounts(fields.object("debuggingAmounts"))
        order = ParsedOrder(
            external_id=fields.text("id"),
            market=fields.text("market"),
            type=kind,
            side=Side(fields.text("side", enum=("BUY", "SELL")).lower()),
            qty=fields.decimal("qty"),
            price=fields.decimal("price", missing=Code.MISSING_PRICE),
            time_in_force=fields.text("timeInForce", enum=TIMES_IN_FORCE),
            expiry_ms=fields.integer("expiryEpochMillis"),
            fee=fields.decimal("fee"),
            nonce=self._nonce(fields),
            protection=fields.text("selfTradeProtectionLevel", enum=("DISABLED", "ACCOUNT", "CLIENT")),
            reduce_only=fields.flag("reduceOnly"),
            post_only=fields.flag("postOnly"),
            cancel_id=fields.text("cancelId") if fields.has("cancelId") else None,
            signed=self._signed(fields, "settlement") if kind != "TPSL" else None,
            trigger=self._trigger(fields),
            tpsl_type=fields.text("tpSlType", enum=("ORDER", "POSITION")) if fields.has("tpSlType") else None,
            take_profit=self._leg(fields, "takeProfit"),
            stop_loss=self._leg(fields, "stopLoss"),
            builder_fee=fields.decimal("builderFee") if fields.has("builderFee") else Decimal(0),
            is_rfq_priced=fields.has("rfqStartPrice"),
        )
        self._check_type(fields, order)
        self._check_legs(fields, order)
        return order

    def _fields(self, value: Any, where: str, known: frozenset[str]) -> Fields:
        return Fields(value, where, known, strict=self._strict, note=self._note)

    def _nonce(self, fields: Fields) -> int:
        nonce = fields.text("nonce")
        limit = MAX_NONCE if self._strict else MAX_LOOSE_NONCE
        if not (nonce.isascii() and nonce.isdigit()) or not (self._strict <= int(nonce) <= limit):
            raise fields.refusal(f"nonce: {nonce!r} is not a whole number from 1 to 2^31, as text")
        if int(nonce) > MAX_NONCE:
            self._note("POST /user/order: a nonce above 2^31")
        return int(nonce)

    def _signed(self, fields: Fields, name: str) -> Signed:
        if not fields.has(name):
            raise fields.refusal(f"{name} is missing: the order is not signed", Code.INVALID_SIGNATURE)
        settlement = self._fields(fields.object(name), name, SETTLEMENT)
        signature = self._fields(settlement.object("signature"), f"{name}.signature", frozenset({"r", "s"}))
        vault = settlement.text("collateralPosition")
        if not (vault.isascii() and vault.isdigit()):
            raise settlement.refusal(f"{name}: collateralPosition is {vault!r}, not a number as text")
        return Signed(settlement.felt("starkKey"), int(vault), (signature.felt("r"), signature.felt("s")))

    def _trigger(self, fields: Fields) -> Trigger | None:
        if not fields.has("trigger"):
            return None
        trigger = self._fields(fields.object("trigger"), "trigger", TRIGGER)
        if not self._strict:
            for name in ("triggerPriceType", "executionPriceType"):
                if not trigger.has(name):
                    self._note(f"trigger: {name} is missing")
        loose = {} if self._strict else {"kind": "LAST", "execution": "LIMIT"}
        return Trigger(
            price=trigger.decimal("triggerPrice"),
            kind=trigger.text("triggerPriceType", enum=TRIGGER_PRICES, default=loose.get("kind")),
            direction=trigger.text("direction", enum=("UP", "DOWN")),
            execution=trigger.text("executionPriceType", enum=PRICE_TYPES, default=loose.get("execution")),
        )

    def _leg(self, fields: Fields, name: str) -> Leg | None:
        if not fields.has(name):
            return None
        leg = self._fields(fields.object(name), name, LEG)
        if leg.has("debuggingAmounts"):
            self._amounts(leg.object("debuggingAmounts"))
        return Leg(
            trigger_price=leg.decimal("triggerPrice", missing=Code.MISSING_TPSL_TRIGGER),
            kind=leg.text("triggerPriceType", enum=TRIGGER_PRICES),
            price=leg.decimal("price", missing=Code.MISSING_PRICE),
            execution=leg.text("priceType", enum=PRICE_TYPES),
            signed=self._signed(leg, "settlement"),
        )

    def _amounts(self, value: Any) -> None:
        """Look at the diagnostic amounts no further than their shape: what was signed is computed anew."""
        amounts = self._fields(value, "debuggingAmounts", AMOUNTS)
        for name in sorted(AMOUNTS):
            amounts.decimal(name)

    def _check_type(self, fields: Fields, order: ParsedOrder) -> None:
        if order.type == "MARKET" and order.time_in_force != "IOC":
            raise fields.refusal("timeInForce: a MARKET order is IOC", Code.MARKET_MUST_BE_IOC)
        if order.post_only and (order.type == "MARKET" or order.time_in_force == "IOC"):
            raise fields.refusal("postOnly: a MARKET or IOC order never rests")
        if order.time_in_force == "TOB" and not order.post_only:
            raise fields.refusal("timeInForce: TOB needs postOnly")
        if (order.type == "CONDITIONAL") != (order.trigger is not None):
            code = Code.MISSING_CONDITIONAL_TRIGGER if order.trigger is None else Code.INVALID_ORDER_PARAMETERS
            raise fields.refusal("trigger and type CONDITIONAL go together", code)
        if order.post_only and order.type == "CONDITIONAL" and order.is_market:
            raise fields.refusal("postOnly: it executes as a market order", Code.POST_ONLY_CONDITIONAL_MARKET)

    def _check_legs(self, fields: Fields, order: ParsedOrder) -> None:
        if order.legs and order.tpsl_type is None:
            raise fields.refusal("tpSlType is missing: the legs need it")
        if order.tpsl_type is not None and not order.legs:
            raise fields.refusal("takeProfit, stopLoss or both are missing", Code.MISSING_TPSL_TRIGGER)
        if order.type != "TPSL":
            return
        if not order.legs:
            raise fields.refusal("takeProfit, stopLoss or both are missing", Code.MISSING_TPSL_TRIGGER)
        if fields.has("settlement"):
            raise fields.refusal("settlement: of a TPSL order each leg has its own, and the order none")
        if not order.reduce_only or order.post_only:
            raise fields.refusal("reduceOnly, postOnly: a TPSL order is reduce-only and not post-only")
        if order.price:
            raise fields.refusal("price: of a TPSL order it is 0; the legs have prices", Code.INVALID_PRICE)
        if (order.tpsl_type == "POSITION") != (order.qty == 0):
            raise fields.refusal("qty: 0 for the whole position, and only then", Code.INVALID_POSITION_TPSL_QTY)


def order_error(code: Code, message: str, debug: str) -> ApiError:
    """Return the refusal of an order by a rule."""
    return ApiError(code, message, debug=debug)
