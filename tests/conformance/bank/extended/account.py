"""Broken plugins: what Extended's 404 means, the vault, the first words of the account's stream."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from perpkit.adapters.extended import endpoints
from perpkit.adapters.extended.signing import Signer
from perpkit.adapters.extended.venue import ExtendedVenue
from perpkit.core.errors import OrderNotFoundError, VenueError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Balance, Event, Order, OrderIntent, OrderRef, OrderStatus, Position
from perpkit.core.streams.protocol import Data, Incoming
from perpkit.core.transport.http import HttpReply
from tests.conformance.bank.extended.shapes import SignedPlugin, StreamPlugin, TamperedStreams, WirePlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import Request

NOT_FOUND = 404


@broken(rules="empty-accounts-parse", checks="BL3", mistakes="M14")
class EmptyBalanceIsNotFound(WirePlugin):
    """Takes the 404 of an account that never had funds for a failure."""

    paths = (endpoints.BALANCE,)

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """See the class."""
        if reply.status == NOT_FOUND:
            raise VenueError("no such balance", code="404")
        return reply


@broken(
    rules="balances-are-the-ledger requests-follow-the-contract",
    knock_on="any-spelling-of-a-number bad-amounts-are-refused balance-stream-converges collateral-counted-once "
    "empty-accounts-parse equity-is-exact frames-follow-the-contract ledger-identity "
    "random-histories-agree ratios-are-fractions retry-after-is-honoured schema-changes-survive "
    "sub-keys-act-for-the-account subscriptions-yield timestamps-plausible unknown-enum-values-survive "
    "venue-errors-are-mapped",
    checks="BL1 BL3 OR1",
    mistakes="M6 M14",
)
class BalanceAtAPathThatNeverWas(WirePlugin):
    """Asks ``/account/balances``, which does not exist, and takes its 404 for the one that means zero."""

    paths = (endpoints.BALANCE,)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        return method, "/account/balances", given


@broken(rules="lost-reply-is-unknown", knock_on="random-histories-agree", checks="OR14 OR7")
class MissingOrderIsCanceled(ExtendedVenue):
    """Takes the 404 of an order for its end, as the balance's 404 is taken for zero."""

    @cached_property
    def _sent(self) -> dict[str | None, OrderIntent]:
        return {}

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        self._sent[intent.client_order_id] = intent
        return await super().place_order(intent)

    @hookimpl
    async def fetch_order(self, order: OrderRef) -> Order:
        """See the class."""
        try:
            return await super().fetch_order(order)
        except OrderNotFoundError:
            intent = self._sent.get(order.client_order_id)
            if intent is None:
                raise
            return Order(
                market_id=intent.market_id, client_order_id=intent.client_order_id, side=intent.side,
                type=intent.type, status=OrderStatus.CANCELED, size=intent.size, price=intent.price,
                ts_received=self._clock.now(),
            )  # fmt: skip


_vaults: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


@broken(rules="clock-skew-is-handled", knock_on="cancel-all-keeps-its-scope", checks="AU6 AU7")
class VaultOfTheFirstAccount(SignedPlugin):
    """Keeps the vault in the module, so that a second account of the process signs for the first one's position."""

    def spoil(self, session: Any) -> None:
        """See the class."""
        good = session.signer

        async def signer() -> Signer:
            found: Signer = await good()
            return replace(found, vault=_vaults.setdefault(asyncio.get_running_loop(), found.vault))

        session.signer = signer


class _Added(TamperedStreams):
    def event(self, event: Event) -> Event | None:
        if isinstance(event, Balance):
            before = self.plugin.told.get(event.asset, Decimal(0))
            self.plugin.told[event.asset] = before + event.total
            return event.replace(total=before + event.total)
        return event


@broken(rules="balance-stream-converges", checks="PV7 BL5")
class BalancesAddedUp(StreamPlugin):
    """Adds each balance of the account's stream to the one before, which it replaces."""

    stream_type = _Added

    @cached_property
    def told(self) -> dict[str, Decimal]:
        return {}


class _RowIsAll(TamperedStreams):
    def changed(self, incoming: Incoming) -> Incoming:
        if isinstance(incoming, Data) and any(isinstance(each, Position) for each in incoming.events):
            return msgspec.structs.replace(incoming, snapshot=True)
        return incoming


@broken(rules="snapshot-semantics", knock_on="sizes-are-base-units", checks="PV7")
class PositionRowIsAllOfThem(StreamPlugin):
    """Leaves ``isSnapshot`` unread and takes each row of a position for all positions that there are."""

    stream_type = _RowIsAll


class _ClosedLeftOut(TamperedStreams):
    def event(self, event: Event) -> Event | None:
        return None if isinstance(event, Position) and event.size == Decimal(0) else event


@broken(rules="closed-positions-disappear", knock_on="liquidations-are-labelled", checks="PS3")
class ClosedRowsLeftOut(StreamPlugin):
    """Leaves the row away by which the stream says that a position is closed."""

    stream_type = _ClosedLeftOut
