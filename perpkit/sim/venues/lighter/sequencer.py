"""
A transaction's way: accepted by the API (or refused, and its nonce is free), then carried out by the sequencer after
its tier's delay, where it may still fail. Only the account's streams and ``GET /tx`` tell of that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from perpkit.core.models.account import MarginMode
from perpkit.sim.money import divide
from perpkit.sim.orders import CloseReason, OrderRequest, RefusalReason, RequestRefusedError
from perpkit.sim.venues.lighter import checks
from perpkit.sim.venues.lighter.accounts import Account, ApiKey
from perpkit.sim.venues.lighter.config import CANCEL_ALL_LEAST, CANCEL_ALL_MOST, FRACTION_UNIT, USDC_PLACES
from perpkit.sim.venues.lighter.errors import TEXTS, ApiError
from perpkit.sim.venues.lighter.limits import OTHER_TRANSACTIONS
from perpkit.sim.venues.lighter.listing import Listing
from perpkit.sim.venues.lighter.records import TxRecord
from perpkit.sim.venues.lighter.transactions import Transaction, parse_transaction
from perpkit.sim.venues.lighter.verify import (
    CANCEL_ALL_ORDERS,
    CANCEL_MARKET,
    CANCEL_ORDER,
    CREATE_ORDER,
    MODIFY_ORDER,
    UPDATE_LEVERAGE,
    UPDATE_MARGIN,
)
from perpkit.sim.venues.lighter.wire_orders import order_event

if TYPE_CHECKING:
    from perpkit.sim.venues.lighter.venue import Venue

Event = dict[str, Any]
Work = Callable[[], Event]

IMMEDIATE, SCHEDULED, ABORT = range(3)
_QUOTA_TYPES = frozenset({CREATE_ORDER, MODIFY_ORDER})
_FREE_TYPES = frozenset({CANCEL_ORDER, CANCEL_ALL_ORDERS})
_QUOTA_NOTE = json.dumps({"ratelimit": "didn't use volume quota"})

REFUSED: dict[RefusalReason, int] = {
    RefusalReason.UNKNOWN_MARKET: 21602,
    RefusalReason.UNKNOWN_ACCOUNT: 21100,
    RefusalReason.UNKNOWN_ORDER: 21715,
    RefusalReason.ORDER_CLOSED: 21709,
    RefusalReason.DUPLICATE_CLIENT_ID: 21728,
    RefusalReason.INVALID_REQUEST: 21743,
    RefusalReason.INVALID_PRICE: 21702,
    RefusalReason.PRICE_OFF_TICK: 21702,
    RefusalReason.INVALID_SIZE: 21701,
    RefusalReason.SIZE_OFF_STEP: 21701,
    RefusalReason.SIZE_TOO_SMALL: 21706,
    RefusalReason.SIZE_TOO_LARGE: 21701,
    RefusalReason.NOTIONAL_TOO_SMALL: 21706,
    RefusalReason.MARKET_NOT_OPEN: 21605,
    RefusalReason.MARKET_POST_ONLY: 21605,
    RefusalReason.MARKET_CANCEL_ONLY: 21605,
    RefusalReason.SYSTEM_MAINTENANCE: 29500,
    RefusalReason.SYSTEM_POST_ONLY: 21605,
    RefusalReason.SYSTEM_CANCEL_ONLY: 21605,
    RefusalReason.INVALID_LEVERAGE: 21113,
    RefusalReason.MARGIN_CHANGE_REFUSED: 21301,
    RefusalReason.INSUFFICIENT_FUNDS: 21301,
}


class FailedError(Exception):
    """A transaction failed in the sequencer; its code's text is the reason that its event gives."""

    def __init__(self, code: int) -> None:
        super().__init__(TEXTS[code])
        self.code = code


@dataclass(frozen=True, slots=True)
class Ticket:
    """A transaction that the API has accepted, with what the sequencer shall do."""

    record: TxRecord
    key: ApiKey
    skips: bool
    work: Work
    due_ms: int


class Sequencer:
    """
    Accepts and carries out.

    Args:
        tell: Called with each transaction that was carried out or failed.
    """

    def __init__(self, venue: Venue, tell: Callable[[TxRecord], None]) -> None:
        self._venue = venue
        self._tell = tell
        self._prepare: dict[int, Callable[[Account, Transaction, bool], Work]] = {
            CREATE_ORDER: self._create,
            CANCEL_ORDER: self._cancel,
            CANCEL_ALL_ORDERS: self._cancel_all,
            MODIFY_ORDER: self._modify,
            UPDATE_LEVERAGE: self._leverage,
            UPDATE_MARGIN: self._margin,
        }

    # --- the API --------------------------------------------------------------------------------------------------

    def send(self, tx_type: int, given: str | Mapping[str, Any], *, protected: bool = True) -> dict[str, Any]:
        """
        Accept one transaction; returns the body of the answer.

        Raises:
            ApiError: Why it is refused; its nonce is free.
        """
        ticket = self._accept(parse_transaction(tx_type, given), protected=protected)
        self._schedule(ticket)
        return self._answer(ticket.record.hash, ticket)

    def send_batch(self, types: list[int], infos: list[str], *, most: int) -> dict[str, Any]:
        """
        Accept a batch, all or none; carried out back to back, and one that fails leaves the others standing.

        Raises:
            ApiError: Why the batch is refused.
        """
        if len(types) != len(infos):
            raise ApiError(21513)
        if len(types) > most:
            raise ApiError(21514)
        if not types:
            raise ApiError(21501)
        batch = [parse_transaction(kind, info) for kind, info in zip(types, infos, strict=True)]
        first = batch[0]
        for before, tx in pairwise(batch):
            if (tx.account_index, tx.api_key_index) != (first.account_index, first.api_key_index):
                raise ApiError(21121)
            if tx.nonce != before.nonce + 1 and not (tx.skips_nonce and tx.nonce > before.nonce):
                raise ApiError(21105)
        accepted = self._venue.registry.get(first.account_index).key(first.api_key_index)
        nonce = accepted.accepted
        tickets: list[Ticket] = []
        try:
            for tx in batch:
                tickets.append(self._accept(tx, protected=True))
        except ApiError:
            accepted.accepted = nonce
            raise
        for ticket in tickets:
            self._schedule(ticket)
        return self._answer([ticket.record.hash for ticket in tickets], tickets[0])

    def _accept(self, tx: Transaction, *, protected: bool) -> Ticket:
        venue = self._venue
        venue.keep_margins()
        account = venue.registry.get(tx.account_index)
        key = account.key(tx.api_key_index)
        if tx.type not in self._prepare:
            raise ApiError(21505)
        digest = tx.digest(venue.settings.chain_id)
        if venue.settings.verify_signatures and not key.public.verify(digest, tx.signature):
            raise ApiError(21120)
        if tx.expired_at_ms <= venue.now_ms():
            raise ApiError(21501, f"{TEXTS[21501]}: ExpiredAt is in the past")
        venue.budgets.spend("transactions", account.l1_address, 1, account.tier.transactions)
        work = self._prepare[tx.type](account, tx, protected)
        before = key.accepted
        key.take(tx.nonce, skips=tx.skips_nonce)
        try:
            self._use_quota(account, tx)
        except ApiError:
            key.accepted = before
            raise
        now = venue.now_ms()
        record = TxRecord(
            hash=tx.hash_text(venue.settings.chain_id),
            type=tx.type,
            account_index=account.index,
            api_key_index=key.index,
            nonce=tx.nonce,
            text=tx.text,
            expire_at_ms=tx.expired_at_ms,
            queued_at_ms=now,
            sequence_index=venue.records.next_tx_number(),
            l1_address=account.l1_address,
        )
        return Ticket(record, key, tx.skips_nonce, work, max(now + self._delay_ms(account, tx), key.due_ms))

    def _use_quota(self, account: Account, tx: Transaction) -> None:
        if tx.type in _QUOTA_TYPES:
            if account.tier.name == "premium":
                self._venue.quota.use(account.l1_address, 1)
        elif tx.type not in _FREE_TYPES:
            self._venue.budgets.spend("other transactions", account.l1_address, 1, OTHER_TRANSACTIONS)

    def _delay_ms(self, account: Account, tx: Transaction) -> int:
        if not self._venue.settings.delays:
            return 0
        taker, maker = account.delays
        waits = tx.type in {CANCEL_ORDER, CANCEL_ALL_ORDERS} or tx.info.get("TimeInForce") == checks.POST_ONLY
        return _ms(maker if waits else taker)

    def _answer(self, hashes: str | list[str], ticket: Ticket) -> dict[str, Any]:
        account = self._venue.registry.get(ticket.record.account_index)
        body: dict[str, Any] = {"code": 200, "tx_hash": hashes, "predicted_execution_time_ms": ticket.due_ms}
        if ticket.record.type not in _QUOTA_TYPES:
            body["message"] = _QUOTA_NOTE
        if account.tier.name == "premium":
            body["volume_quota_remaining"] = self._venue.quota.remaining(account.l1_address)
        return body

    # --- the sequencer --------------------------------------------------------------------------------------------

    def _schedule(self, ticket: Ticket) -> None:
        self._venue.records.add_transaction(ticket.record)
        key = ticket.key
        key.due_ms = ticket.due_ms
        key.waiting += 1
        if ticket.due_ms > ticket.record.queued_at_ms or key.waiting > 1:
            self._venue.exchange.clock.call_at_ms(ticket.due_ms, partial(self._carry_out, ticket))
        else:
            self._carry_out(ticket)

    def _carry_out(self, ticket: Ticket) -> None:
        record, key = ticket.record, ticket.key
        key.waiting -= 1
        record.executed_at_ms = self._venue.now_ms()
        if record.expire_at_ms <= record.executed_at_ms:
            key.give_back()  # an expired transaction leaves its nonce unused
            self._fail(record, 21501)
            return
        if not key.consume(record.nonce, skips=ticket.skips):
            self._fail(record, 21104)
            return
        try:
            record.event = ticket.work()
        except FailedError as failed:
            self._fail(record, failed.code)
            return
        except RequestRefusedError as refused:
            self._fail(record, REFUSED[refused.reason])
            return
        record.status = 2
        if not record.event.pop("silent", False):
            self._tell(record)

    def _fail(self, record: TxRecord, code: int) -> None:
        record.status = 0
        record.event = {"ae": TEXTS[code]}
        self._tell(record)

    # --- what there is to do --------------------------------------------------------------------------------------

    def _create(self, account: Account, tx: Transaction, protected: bool) -> Work:
        request = checks.new_order(self._venue, account, tx, protected=protected)
        return partial(self._submit, account, self._venue.perp(tx.info["MarketIndex"]), request)

    def _submit(self, account: Account, listing: Listing, request: OrderRequest) -> Event:
        venue = self._venue
        vanishes = venue.settings.invalid_reduce_only == "vanishes"
        if vanishes and request.reduce_only and not checks.reduces(venue, account, listing, request.side):
            return {"silent": True}
        taken = venue.exchange.submit(request)
        self._expire_later(account, taken.id, request)
        order = venue.exchange.order(account.id, taken.id) or taken
        if order.close_reason is CloseReason.NO_LIQUIDITY:
            book = venue.exchange.book(listing.symbol, 1)
            beyond = book.bids if request.side.sign < 0 else book.asks
            words = "canceled-too-much-slippage" if beyond else "canceled-not-enough-liquidity"
            venue.records.slippage[order.id] = words
        return {"m": listing.market_id, "t": None, "mo": None, "to": order_event(venue, listing, order), "ae": ""}

    def _expire_later(self, account: Account, order_id: str, request: OrderRequest) -> None:
        """End a trigger order that would be immediate-or-cancel: the exchange keeps no time for those."""
        expiry = request.meta["expiry"]
        if expiry and request.expires_at_ms is None:

            def expire() -> None:
                self._venue.exchange.cancel(account.id, order_id, reason=CloseReason.EXPIRED)

            self._venue.exchange.clock.call_at_ms(expiry, expire)

    def _cancel(self, account: Account, tx: Transaction, _: bool) -> Work:
        listing = self._venue.perp(tx.info["MarketIndex"])
        index = tx.info["Index"]
        if not index:
            raise ApiError(21700)

        def work() -> Event:
            order = checks.live_order(self._venue, account, listing, index)
            if order is None:
                raise FailedError(21715)
            self._venue.exchange.cancel(account.id, order.id)
            number = self._venue.records.order_index(order.id)
            return {"a": account.index, "i": number, "u": int(order.client_id or 0), "ae": ""}

        return work

    def _cancel_all(self, account: Account, tx: Transaction, _: bool) -> Work:
        kind, due_ms = tx.info["TimeInForce"], tx.info["Time"]
        market = tx.attributes.get(CANCEL_MARKET)
        if kind not in {IMMEDIATE, SCHEDULED, ABORT} or (market is not None and kind != IMMEDIATE):
            raise ApiError(21713)
        if kind != SCHEDULED:
            if due_ms:
                raise ApiError(21714)
            symbol = self._venue.perp(market).symbol if market is not None else None
            return partial(self._cancel_now, account, symbol) if kind == IMMEDIATE else partial(self._abort, account)
        now = self._venue.now_ms()
        if not now + _ms(CANCEL_ALL_LEAST) <= due_ms <= now + _ms(CANCEL_ALL_MOST):
            raise ApiError(21714)
        if account.cancel_all_ms:
            raise ApiError(21712)
        return partial(self._cancel_at, account, due_ms)

    def _cancel_now(self, account: Account, symbol: str | None) -> Event:
        self._venue.exchange.cancel_all(account.id, symbol)
        return {"a": account.index, "ae": ""}

    def _cancel_at(self, account: Account, due_ms: int) -> Event:
        if account.cancel_all_ms:
            raise FailedError(21712)

        def fire() -> None:
            account.cancel_all_ms, account.cancel_all_timer = 0, None
            self._venue.exchange.cancel_all(account.id, reason=CloseReason.DEAD_MAN_SWITCH)

        account.cancel_all_ms = due_ms
        account.cancel_all_timer = self._venue.exchange.clock.call_at_ms(due_ms, fire)
        return {"a": account.index, "ae": ""}

    def _abort(self, account: Account) -> Event:
        if account.cancel_all_timer is not None:
            account.cancel_all_timer.cancel()
        account.cancel_all_ms, account.cancel_all_timer = 0, None
        return {"a": account.index, "ae": ""}

    def _modify(self, account: Account, tx: Transaction, _: bool) -> Work:
        listing, found = checks.modified(self._venue, account, tx)
        if found is not None and bool(tx.info["TriggerPrice"]) != found.type.has_trigger:
            raise ApiError(21729)

        def work() -> Event:
            order = checks.live_order(self._venue, account, listing, tx.info["Index"])
            if order is None:
                raise FailedError(21715)
            trigger: Decimal | None = None
            if tx.info["TriggerPrice"] and order.triggered_at_ms is None:
                trigger = listing.price_of(tx.info["TriggerPrice"])
            result = self._venue.exchange.amend(
                account.id,
                order.id,
                size=listing.size_of(tx.info["BaseAmount"]),
                price=None if order.is_market else listing.price_of(tx.info["Price"]),
                trigger_price=trigger,
            )
            if result.refused is not None:
                raise FailedError(_LATE.get(result.refused, 21743))
            old, new = order_event(self._venue, listing, order), order_event(self._venue, listing, result.order)
            return {"m": listing.market_id, "oo": old, "no": new, "ae": ""}

        return work

    def _leverage(self, account: Account, tx: Transaction, _: bool) -> Work:
        listing = checks.open_market(self._venue, tx.info["MarketIndex"])
        fraction, mode = tx.info["InitialMarginFraction"], tx.info["MarginMode"]
        if not listing.min_fraction <= fraction <= FRACTION_UNIT:
            raise ApiError(21113)
        if mode > 1:
            raise ApiError(21613)
        wanted = MarginMode.ISOLATED if mode else MarginMode.CROSS
        exchange = self._venue.exchange
        position = exchange.position(account.id, listing.symbol)
        is_busy = bool(position and position.size) or bool(exchange.open_orders(account.id, listing.symbol))
        if is_busy and exchange.margin_setting(account.id, listing.symbol).mode is not wanted:
            raise ApiError(21132)

        def work() -> Event:
            leverage = divide(Decimal(FRACTION_UNIT), Decimal(fraction))
            exchange.set_margin(account.id, listing.symbol, leverage=leverage, mode=wanted)
            account.chosen.add(listing.market_id)
            return {"a": account.index, "m": listing.market_id, "imf": fraction, "mm": mode, "ae": ""}

        return work

    def _margin(self, account: Account, tx: Transaction, _: bool) -> Work:
        listing = checks.open_market(self._venue, tx.info["MarketIndex"])
        direction, units = tx.info["Direction"], tx.info["USDCAmount"]
        if direction > 1:
            raise ApiError(21615)
        if not units:
            raise ApiError(21300)
        exchange = self._venue.exchange
        if exchange.margin_setting(account.id, listing.symbol).mode is not MarginMode.ISOLATED:
            raise ApiError(21613)
        position = exchange.position(account.id, listing.symbol)
        if position is None or not position.size:
            raise ApiError(21614)

        def work() -> Event:
            amount = Decimal(units).scaleb(-USDC_PLACES)
            exchange.move_margin(account.id, listing.symbol, amount if direction else -amount)
            return {"a": account.index, "m": listing.market_id, "ae": ""}

        return work


_LATE = {
    CloseReason.POST_ONLY_WOULD_CROSS: 21702,
    CloseReason.NOT_ENOUGH_MARGIN: 21739,
    CloseReason.REDUCE_ONLY_WOULD_INCREASE: 21732,
    CloseReason.MARKET_NOT_OPEN: 21605,
    CloseReason.ACCOUNT_IN_LIQUIDATION: 21112,
}
"""Why a change of an order was not carried out; the order stays as it was."""


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
