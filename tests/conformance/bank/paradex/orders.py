"""Broken plugins: order commands, what is said of their outcome, and the status of orders."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from functools import cached_property
from typing import Any

import msgspec

from perpkit.adapters.paradex.stamps import Stamps
from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.errors import (
    NotSentError,
    OrderRejectedError,
    OutcomeUnknownError,
    PerpkitError,
    RejectReason,
)
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import (
    CancelResult,
    CancelStatus,
    Event,
    Fill,
    Market,
    Order,
    OrderAmendment,
    OrderIntent,
    OrderRef,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from tests.conformance.bank.paradex.shapes import StreamPlugin, WirePlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import Request, TamperedStream


class _Intent(ParadexVenue):
    """Changes an order before it goes out."""

    def intent(self, intent: OrderIntent) -> OrderIntent:
        """Return what goes out instead."""
        raise NotImplementedError

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        return await super().place_order(self.intent(intent))


class _Outcome(ParadexVenue):
    """Tells another outcome than the one that came."""

    def outcome(self, error: PerpkitError) -> PerpkitError:
        """Return what is raised instead."""
        raise NotImplementedError

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        try:
            return await super().place_order(intent)
        except PerpkitError as error:
            raise self.outcome(error) from error


class _Status(ParadexVenue):
    """Changes a fetched order."""

    def order(self, order: Order) -> Order:
        """Return the changed order."""
        raise NotImplementedError

    @hookimpl
    async def fetch_order(self, order: OrderRef) -> Order:
        """See the class."""
        return self.order(await super().fetch_order(order))

    @hookimpl
    async def fetch_order_history(self, market, since, until, limit) -> list[Order]:
        """See the class."""
        return [self.order(each) for each in await super().fetch_order_history(market, since, until, limit)]


# What goes out


@broken(rules="order-types-take-effect", knock_on="late-refusals-surface rejections-say-why", checks="OR1")
class PostOnlyForgotten(_Intent):
    """Sends a post-only order as a plain one."""

    def intent(self, intent: OrderIntent) -> OrderIntent:
        """See the class."""
        return intent.replace(post_only=False)


@broken(rules="order-types-take-effect", checks="OR1")
class ImmediateOrCancelForgotten(_Intent):
    """Sends every order as good till canceled."""

    def intent(self, intent: OrderIntent) -> OrderIntent:
        """See the class."""
        return intent.replace(time_in_force=TimeInForce.GTC)


@broken(rules="market-orders-are-bounded", checks="OR2")
class SlippageIgnored(_Intent):
    """Sends a market order without its bound."""

    def intent(self, intent: OrderIntent) -> OrderIntent:
        """See the class."""
        if intent.type is OrderType.LIMIT and intent.time_in_force is TimeInForce.IOC:
            return intent.replace(type=OrderType.MARKET, price=None)
        return intent


@broken(rules="signed-is-sent", knock_on="quantized-orders-are-accepted", checks="OR3 AU2")
class SentIsNotSigned(WirePlugin):
    """Rounds the size to two places after it was signed."""

    paths = ("/orders",)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        if method == "POST" and path == "/orders":
            body = msgspec.json.decode(given["body"])
            if Decimal(body["size"]) > 1:
                body["size"] = str(round(Decimal(body["size"]), 2))
            given["body"] = msgspec.json.encode(body)
        return method, path, given


@broken(
    rules="sizes-never-grow",
    knock_on="quantized-orders-are-accepted random-histories-agree signed-is-sent",
    checks="OR4",
)
class SizeRoundedUp(_Intent):
    """Rounds sizes up to ten steps of the market's."""

    def intent(self, intent: OrderIntent) -> OrderIntent:
        """See the class."""
        step = self._context.markets.all[intent.market_id].step_size * 10
        return intent.replace(size=(intent.size / step).to_integral_value(ROUND_CEILING) * step)


@broken(
    rules="client-ids-are-echoed",
    knock_on="batches-answer-per-item lost-reply-is-unknown random-histories-agree restart-recovers-orders "
    "same-id-is-one-order",
    checks="OR5",
)
class ClientIdCut(_Intent):
    """Cuts our id of an order at 18 characters."""

    def intent(self, intent: OrderIntent) -> OrderIntent:
        """See the class."""
        return intent.replace(client_order_id=(intent.client_order_id or "")[:18])


@broken(rules="client-ids-are-echoed", knock_on="fill-side-is-ours restart-recovers-orders", checks="OR5")
class ClientIdNotOnFills(ParadexVenue):
    """Leaves our id away from fills."""

    @hookimpl
    async def fetch_fills(self, market, since, until, limit) -> list[Fill]:
        """See the class."""
        return [each.replace(client_order_id=None) for each in await super().fetch_fills(market, since, until, limit)]


@broken(rules="same-id-is-one-order", checks="OR6")
class NewIdForARepeat(_Intent):
    """Sends an order whose id it has sent before under another one, so that a repeat is a second order."""

    @cached_property
    def _sent(self) -> set[str]:
        return set()

    def intent(self, intent: OrderIntent) -> OrderIntent:
        """See the class."""
        name = intent.client_order_id or ""
        if name in self._sent:
            return intent.replace(client_order_id=f"{name[:60]}-{len(self._sent)}")
        self._sent.add(name)
        return intent


@broken(
    rules="reduce-only-never-opens",
    knock_on="late-refusals-surface order-types-take-effect rejections-say-why",
    checks="OR18",
)
class ReduceOnlyForgotten(_Intent):
    """Sends a reduce-only order as a plain one."""

    def intent(self, intent: OrderIntent) -> OrderIntent:
        """See the class."""
        return intent.replace(reduce_only=False)


@broken(rules="expiry-is-explicit", checks="OR19")
class WindowForgotten(_Intent):
    """Does not send until when the venue may accept an order."""

    def intent(self, intent: OrderIntent) -> OrderIntent:
        """See the class."""
        return intent.replace(accept_within=None)


@broken(
    rules="nonces-survive-concurrency",
    knock_on="bursts-stay-under-limits clock-skew-is-handled",
    checks="OR20",
)
class SameStampAtOnce(ParadexVenue):
    """Stamps orders that are signed at the same time alike."""

    @classmethod
    def seams(cls) -> frozenset[str]:
        """What is changed in the session is reached by these alone."""
        return frozenset({"place_order", "place_orders", "amend_order"})

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        session: Any = self._session
        sign, stamp = session.signed, session._next_stamp
        self._under_way = self._stamp = 0

        def next_stamp() -> int:
            if self._under_way == 1 or not self._stamp:
                self._stamp = stamp()
            return self._stamp

        async def signed(order: Any) -> Any:
            self._under_way += 1
            try:
                await asyncio.sleep(0)
                return await sign(order)
            finally:
                self._under_way -= 1

        session.signed, session._next_stamp = signed, next_stamp


@broken(rules="nonces-survive-concurrency", checks="OR20")
class StampsOfItsOwn(ParadexVenue):
    """Tells its stamps apart from its own alone, though another venue of the program signs for the same account."""

    @classmethod
    def seams(cls) -> frozenset[str]:
        """With one venue in a test there is nothing to see."""
        return frozenset({"__init__ again"})

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        session: Any = self._session
        own = Stamps()
        session._next_stamp = lambda: own.next(session.clock.now_ms())


@broken(rules="cancel-all-keeps-its-scope", checks="OR15")
class CancelAllOfTheAccount(ParadexVenue):
    """Cancels every order of the account for one market."""

    @hookimpl
    async def cancel_all_orders(self, market: Market | None) -> None:
        """See the class."""
        await super().cancel_all_orders(None)


@broken(
    rules="amends-are-exact", knock_on="bad-answers-are-unknown signatures-verify wire-numbers-canonical", checks="OR16"
)
class AmendKeepsThePrice(ParadexVenue):
    """Leaves the new price out of an amendment."""

    @hookimpl
    async def amend_order(self, order: Order, amendment: OrderAmendment) -> Order:
        """See the class."""
        return await super().amend_order(order, amendment.replace(price=order.price, size=amendment.size or order.size))


@broken(rules="amends-are-exact", checks="OR16")
class RemainderSentAsTotal(ParadexVenue):
    """Sends what is left to fill as the new total of an amended order."""

    @hookimpl
    async def amend_order(self, order: Order, amendment: OrderAmendment) -> Order:
        """See the class."""
        total = order.size if amendment.size is None else amendment.size
        return await super().amend_order(order, amendment.replace(size=total - order.filled_size))


# What is said of the outcome


@broken(
    rules="lost-reply-is-unknown",
    knock_on="bad-answers-are-unknown random-histories-agree restart-recovers-orders retry-after-is-honoured "
    "same-id-is-one-order venue-errors-are-mapped",
    checks="OR7",
)
class TimeoutIsRejection(_Outcome):
    """Takes an order whose answer is lost for refused."""

    def outcome(self, error: PerpkitError) -> PerpkitError:
        """See the class."""
        return OrderRejectedError(str(error)) if isinstance(error, OutcomeUnknownError) else error


@broken(
    rules="lost-reply-is-unknown",
    knock_on="bad-answers-are-unknown random-histories-agree restart-recovers-orders retry-after-is-honoured "
    "same-id-is-one-order",
    checks="OR7 OR6",
)
class RepeatedUnderANewId(ParadexVenue):
    """Sends an order again, under a new id, when its answer is lost."""

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        try:
            return await super().place_order(intent)
        except OutcomeUnknownError:
            return await super().place_order(intent.replace(client_order_id=f"{intent.client_order_id}-again"))


@broken(rules="not-sent-is-safe", checks="OR8")
class EverythingIsUnknown(_Outcome):
    """Takes an order that never left for one whose outcome is unknown."""

    def outcome(self, error: PerpkitError) -> PerpkitError:
        """See the class."""
        return OutcomeUnknownError(str(error)) if isinstance(error, NotSentError) else error


@broken(
    rules="bad-answers-are-unknown",
    knock_on="lost-reply-is-unknown random-histories-agree restart-recovers-orders retry-after-is-honoured "
    "same-id-is-one-order venue-errors-are-mapped",
    checks="OR9",
)
class BadAnswerTakenForYes(ParadexVenue):
    """Takes any answer that can't be read for an order that stands."""

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        try:
            return await super().place_order(intent)
        except OutcomeUnknownError:
            now = self._clock.now()
            return Order(
                market_id=intent.market_id, client_order_id=intent.client_order_id, side=intent.side,
                type=intent.type, status=OrderStatus.OPEN, size=intent.size, price=intent.price, ts_received=now,
            )  # fmt: skip


@broken(
    rules="rejections-say-why",
    knock_on="same-id-is-one-order venue-errors-are-mapped",
    checks="OR10",
)
class RejectionWithoutAReason(_Outcome):
    """Says no and keeps the reason to itself."""

    def outcome(self, error: PerpkitError) -> PerpkitError:
        """See the class."""
        return OrderRejectedError("order failed") if isinstance(error, OrderRejectedError) else error


class _RefusedIsCanceled(TamperedStream):
    def event(self, event: Event) -> Event | None:
        if isinstance(event, Order) and event.status is OrderStatus.REJECTED:
            return event.replace(status=OrderStatus.CANCELED, reject_reason=None)
        return event


@broken(
    rules="late-refusals-surface",
    knock_on="status-map-is-total",
    checks="OR11",
)
class LateRefusalStreamedAsCancel(StreamPlugin):
    """Streams an order that was refused after its acceptance as canceled."""

    stream_type = _RefusedIsCanceled


@broken(
    rules="rejections-say-why",
    knock_on="batches-answer-per-item clock-skew-is-handled lost-reply-is-unknown order-types-take-effect "
    "reduce-only-never-opens status-map-is-total",
    checks="OR10 OR11",
)
class LateRefusalLooksCanceled(_Status):
    """Shows an order that was refused after its acceptance as canceled, without a reason."""

    def order(self, order: Order) -> Order:
        """See the class."""
        if order.status is OrderStatus.REJECTED:
            return order.replace(status=OrderStatus.CANCELED, reject_reason=None)
        return order


@broken(
    rules="status-map-is-total",
    knock_on="amends-are-exact batches-answer-per-item cancels-are-typed lost-reply-is-unknown "
    "market-orders-are-bounded order-types-take-effect partial-fill-then-cancel "
    "random-histories-agree reconnect-loses-nothing reduce-only-never-opens rejections-say-why "
    "restart-recovers-orders soak-stays-bounded sockets-fail-typed",
    checks="OR12",
    mistakes="M2",
)
class StatusIsAConstant(_Status):
    """Shows every order as open."""

    def order(self, order: Order) -> Order:
        """See the class."""
        return order.replace(status=OrderStatus.OPEN)


@broken(
    rules="status-map-is-total",
    knock_on="amends-are-exact batches-answer-per-item cancels-are-typed lost-reply-is-unknown "
    "market-orders-are-bounded order-types-take-effect random-histories-agree reduce-only-never-opens "
    "restart-recovers-orders soak-stays-bounded",
    checks="OR12",
    mistakes="M17",
)
class ClosedIsCanceled(_Status):
    """Reads an order that is closed as canceled, also when it was filled."""

    def order(self, order: Order) -> Order:
        """See the class."""
        return order.replace(status=OrderStatus.CANCELED) if order.status is OrderStatus.FILLED else order


@broken(
    rules="status-map-is-total",
    knock_on="amends-are-exact order-types-take-effect",
    checks="OR12 ST7",
    mistakes="M17",
)
class WaitingReadAsFailed(_Status):
    """Takes a status that it does not expect, of an order that waits for its trigger, for a failure."""

    def order(self, order: Order) -> Order:
        """See the class."""
        if order.status is OrderStatus.OPEN and order.trigger_price is not None:
            return order.replace(status=OrderStatus.REJECTED, reject_reason=RejectReason.OTHER)
        return order


@broken(
    rules="partial-fill-then-cancel",
    knock_on="market-orders-are-bounded order-types-take-effect random-histories-agree status-map-is-total",
    checks="OR13",
    mistakes="M17",
)
class CanceledReadAsFilled(_Status):
    """Shows a canceled order with fills as filled."""

    def order(self, order: Order) -> Order:
        """See the class."""
        if order.status is OrderStatus.CANCELED and order.filled_size:
            return order.replace(status=OrderStatus.FILLED)
        return order


@broken(
    rules="partial-fill-then-cancel",
    knock_on="market-orders-are-bounded order-types-take-effect random-histories-agree reduce-only-never-opens "
    "status-map-is-total",
    checks="OR13",
)
class CanceledLosesItsFill(_Status):
    """Forgets what a canceled order had filled."""

    def order(self, order: Order) -> Order:
        """See the class."""
        if order.status is OrderStatus.CANCELED:
            return order.replace(filled_size=Decimal(0), average_price=None)
        return order


@broken(
    rules="cancels-are-typed",
    knock_on="safety-calls-are-honest",
    checks="OR14",
)
class CancelAlwaysDone(ParadexVenue):
    """Says that an order is canceled, whatever the venue answers."""

    @hookimpl
    async def cancel_order(self, order: OrderRef) -> CancelResult:
        """See the class."""
        try:
            return await super().cancel_order(order)
        except PerpkitError:
            return CancelResult(order=order, status=CancelStatus.CANCELED)


@broken(
    rules="batches-answer-per-item",
    knock_on="lost-reply-is-unknown",
    checks="OR17",
)
class BatchErrorsDropped(ParadexVenue):
    """Leaves the refused orders of a batch out of its answer."""

    @hookimpl
    async def place_orders(self, intents: Sequence[OrderIntent]) -> list[Order | PerpkitError]:
        """See the class."""
        return [each for each in await super().place_orders(intents) if isinstance(each, Order)]


@broken(rules="batches-answer-per-item", checks="OR17")
class BatchOutOfOrder(ParadexVenue):
    """Answers to a batch in another order than it was given."""

    @hookimpl
    async def place_orders(self, intents: Sequence[OrderIntent]) -> list[Order | PerpkitError]:
        """See the class."""
        return (await super().place_orders(intents))[::-1]
