"""
:class:`Venue`: the typed face over one opened plugin and its wrappers, which users hold.

A call's way: names are resolved to a :class:`Market`, an order gets its client order id and is checked against the
market's rules, the hook is called through the wrappers, and what comes back is merged with what is known of the order.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import pluggy
from pydantic import ValidationError

from perpkit.core import quantize
from perpkit.core.arguments import (
    check_change,
    check_choice,
    check_count,
    check_positive,
    check_several,
    check_span,
    check_type,
    check_window,
)
from perpkit.core.capabilities import Capabilities, VenueDescription
from perpkit.core.client_ids import ClientOrderIds
from perpkit.core.context import VenueContext
from perpkit.core.errors import (
    CapabilityError,
    ConfigError,
    DecodeError,
    InvalidOrderError,
    OutcomeUnknownError,
    PerpkitError,
    PluginError,
)
from perpkit.core.hookspecs import Hooks
from perpkit.core.lifecycle import OrderTracker
from perpkit.core.models import (
    AccountSummary,
    Balance,
    BookSnapshot,
    CancelResult,
    Candle,
    Channel,
    Fill,
    FundingPayment,
    FundingRate,
    LeverageSetting,
    MarginMode,
    Market,
    Order,
    OrderAmendment,
    OrderIntent,
    OrderRef,
    Position,
    PositionMode,
    PriceKind,
    Subscription,
    Ticker,
    Trade,
    TradingFees,
    VenueHealth,
)
from perpkit.core.outcome import resolve_order
from perpkit.core.plugins import implemented_hooks
from perpkit.core.preparation import OrderPreparation
from perpkit.core.sent_orders import SentOrders
from perpkit.core.streams.delivery import EventStream
from perpkit.core.streams.hub import StreamHub

T = TypeVar("T")

MarketLike = Market | str
"""A market, its id ``BTC-USD-PERP@paradex``, its symbol ``BTC-USD-PERP``, or the venue's own name for it."""

OrderLike = Order | OrderRef

RESOLVE_WITHIN = timedelta(seconds=30)
"""How long ``resolve_order`` looks for an order before it says that it still doesn't know."""

_ANSWERED = ("fetch_", "set_leverage", "set_margin_mode", "check_")
"""Hooks of which the answer is all that matters, by how their names begin."""


class Venue:
    """
    One opened venue. Get it from :func:`perpkit.open_venue` and use it as an async context manager.

    Every method raises :class:`CapabilityError` when the plugin does not implement the hook behind it (nothing is
    sent), :class:`UnknownMarketError` for a market the venue does not list (nothing is sent), :class:`VenueError` when
    the venue says no, :class:`TransportError` when there is no usable answer, and :class:`DecodeError` when the answer
    can't be read. Only what goes beyond that is said at each method.
    """

    def __init__(self, manager: pluggy.PluginManager, context: VenueContext) -> None:
        self._manager = manager
        self._hook: Any = manager.hook
        self._context = context
        self._hooks = implemented_hooks(manager)
        self._orders = OrderTracker()
        self._sent = SentOrders()
        self._started = False
        self._closed = False
        described = cast("VenueDescription", self._hook.describe_venue())
        capabilities = described.capabilities.replace(hooks=self._hooks)
        self._description = described.replace(capabilities=capabilities)
        if described.name != context.venue:
            msg = f"the plugin describes itself as {described.name!r} but is installed as {context.venue!r}"
            raise PluginError(msg, venue=context.venue)
        client_ids = ClientOrderIds(capabilities.client_order_id, clock=context.clock, rng=context.rng)
        self._preparation = OrderPreparation(context.venue, capabilities, client_ids)
        context.markets.use_loader(lambda: self._call(Hooks.fetch_markets))
        self._hub = StreamHub.for_venue(self, context, open_source=self._open_source, tracker=self._orders)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self._started else "not opened"
        return f"<Venue {self.name} ({self._context.environment or self._description.environments[0]}, {state})>"

    # lifecycle -------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._started or self._closed:
            msg = "a Venue is opened once; call open_venue again"
            raise ConfigError(msg, venue=self.name)
        self._started = True
        try:
            if "start" in self._hooks:
                await self._call(Hooks.start)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close streams and connections. Open orders stay open. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._hub.close()
        finally:
            if "stop" in self._hooks:
                await self._call(Hooks.stop, closing=True)

    @property
    def name(self) -> str:
        """The venue's name, as after the ``@`` of a market id."""
        return self._description.name

    @property
    def description(self) -> VenueDescription:
        """What the plugin says of itself, with the hooks that it really implements."""
        return self._description

    @property
    def capabilities(self) -> Capabilities:
        """What this venue serves."""
        return self._description.capabilities

    @property
    def markets(self) -> Mapping[str, Market]:
        """The markets held now, by id; empty before the first call that needs them."""
        return self._context.markets.all

    async def check_health(self) -> VenueHealth:
        """Return the venue's own state and how its clock compares with ours."""
        return await self._call(Hooks.check_health)

    # markets ---------------------------------------------------------------------------------------------------

    async def fetch_markets(self) -> list[Market]:
        """Ask the venue for every perpetual and its rules, hold them, and return them sorted by symbol."""
        await self._context.markets.refresh()
        return sorted(self._context.markets.all.values(), key=lambda market: market.id)

    async def market(self, name: MarketLike) -> Market:
        """
        Return one market with its rules, from what is held; loads the listing when it must.

        Raises:
            UnknownMarketError: No such perpetual; the message names the nearest.
        """
        return await self._context.markets.resolve(name)

    async def fetch_ticker(self, market: MarketLike) -> Ticker:
        """Return one market's prices."""
        return await self._call(Hooks.fetch_ticker, market=await self.market(market))

    async def fetch_tickers(self) -> list[Ticker]:
        """Return the prices of every perpetual."""
        await self._context.markets.ensure()
        return await self._call(Hooks.fetch_tickers)

    async def fetch_order_book(self, market: MarketLike, depth: int | None = None) -> BookSnapshot:
        """Return the book, best levels first, at most ``depth`` a side (None: the venue's default)."""
        if depth is not None:
            check_count("fetch_order_book", "depth", depth)
        return await self._call(Hooks.fetch_order_book, market=await self.market(market), depth=depth)

    async def fetch_trades(
        self,
        market: MarketLike,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[Trade]:
        """Return the public tape in [since, until), oldest first; with ``limit``, the newest so many."""
        window = check_window("fetch_trades", since, until, limit)
        return await self._call(Hooks.fetch_trades, market=await self.market(market), **window)

    async def fetch_candles(
        self,
        market: MarketLike,
        interval: timedelta,
        *,
        since: datetime,
        until: datetime | None = None,
        price_kind: PriceKind = PriceKind.LAST,
    ) -> list[Candle]:
        """Return bars opened in [since, until), oldest first; ``until`` is now when left out."""
        check_type("fetch_candles", "since", since, datetime, "pass a datetime with a time zone")
        window = check_window("fetch_candles", since, until or self._context.clock.now(), None)
        return await self._call(
            Hooks.fetch_candles,
            market=await self.market(market),
            interval=check_span("fetch_candles", "interval", interval),
            since=window["since"],
            until=window["until"],
            price_kind=check_choice("fetch_candles", "price_kind", price_kind, PriceKind),
        )

    # funding ---------------------------------------------------------------------------------------------------

    async def fetch_funding_rates(self, markets: Sequence[MarketLike] | None = None) -> list[FundingRate]:
        """Return the live funding rate of each market (every perpetual for None). One without a rate is left out."""
        await self._context.markets.ensure()
        return await self._call(Hooks.fetch_funding_rates, markets=await self._markets("fetch_funding_rates", markets))

    async def fetch_funding_history(
        self,
        market: MarketLike,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[FundingRate]:
        """
        Return past rates in [since, until), oldest first; with ``limit``, the newest so many.

        Look at ``kind`` before adding them up: samples are observations, not settlements.
        """
        window = check_window("fetch_funding_history", since, until, limit)
        return await self._call(Hooks.fetch_funding_history, market=await self.market(market), **window)

    async def fetch_funding_payments(
        self,
        market: MarketLike | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[FundingPayment]:
        """Return funding paid (negative) or received (positive) in [since, until), oldest first."""
        window = check_window("fetch_funding_payments", since, until, limit)
        return await self._call(Hooks.fetch_funding_payments, market=await self._market_or_all(market), **window)

    # account ---------------------------------------------------------------------------------------------------

    async def fetch_account(self) -> AccountSummary:
        """Return equity, free collateral and margins."""
        return await self._call(Hooks.fetch_account)

    async def fetch_balances(self) -> list[Balance]:
        """Return the balance of each asset held; an account that never had funds gives an empty list."""
        return await self._call(Hooks.fetch_balances)

    async def fetch_positions(self) -> list[Position]:
        """Return every open position, sizes signed. A flat one is never among them."""
        await self._context.markets.ensure()
        return await self._call(Hooks.fetch_positions)

    async def fetch_fees(self, markets: Sequence[MarketLike] | None = None) -> list[TradingFees]:
        """Return this account's maker and taker fees (every perpetual for None), as fractions of notional."""
        await self._context.markets.ensure()
        return await self._call(Hooks.fetch_fees, markets=await self._markets("fetch_fees", markets))

    async def fetch_leverage(self, market: MarketLike) -> LeverageSetting:
        """Return the account's own leverage and margin mode on a market."""
        return await self._call(Hooks.fetch_leverage, market=await self.market(market))

    async def set_leverage(self, market: MarketLike, leverage: Decimal | int | str) -> LeverageSetting:
        """Set the leverage, keep the margin mode, and return what the venue says afterwards."""
        wanted = check_positive("set_leverage", "leverage", leverage)
        return await self._call(Hooks.set_leverage, market=await self.market(market), leverage=wanted)

    async def set_margin_mode(self, market: MarketLike, mode: MarginMode | str) -> LeverageSetting:
        """Set cross or isolated, keep the leverage, and return what the venue says afterwards."""
        wanted = check_choice("set_margin_mode", "mode", mode, MarginMode)
        return await self._call(Hooks.set_margin_mode, market=await self.market(market), mode=wanted)

    async def adjust_margin(self, market: MarketLike, amount: Decimal | int | str) -> None:
        """
        Add collateral to an open isolated position, or take it away where ``amount`` is below zero; returns once the
        venue has done so. Repeating it moves as much again: after an unknown outcome look at the balance first.
        """
        change = check_change("adjust_margin", "amount", amount)
        await self._call(Hooks.adjust_margin, market=await self.market(market), amount=change)

    async def set_position_mode(self, mode: PositionMode | str) -> PositionMode:
        """Set one-way or hedge mode for the account and return what the venue says afterwards."""
        wanted = check_choice("set_position_mode", "mode", mode, PositionMode)
        return await self._call(Hooks.set_position_mode, mode=wanted)

    # orders ----------------------------------------------------------------------------------------------------

    async def place_order(self, intent: OrderIntent) -> Order:
        """
        Send one order.

        Its client order id is chosen before anything is sent. Where acceptance is asynchronous the order comes back
        ``pending``; a later refusal arrives as ``rejected`` on the orders stream and from :meth:`fetch_order`.

        Raises:
            InvalidOrderError: It breaks a rule of its market; the message names the nearest good value. Nothing was
                sent.
            NotSentError: It never left this machine. Safe to repeat.
            OrderRejectedError: The venue said no; ``reason`` says why.
            OutcomeUnknownError: It was sent and nothing proves what became of it. Pass the error to
                :meth:`resolve_order`; don't send again.
        """
        self._require("place_order")
        exact = await self._prepare("place_order", intent)
        self._sent.remember(exact, self._context.clock.now())
        return self._known(await self._call(Hooks.place_order, client_order_id=exact.client_order_id, intent=exact))

    async def place_orders(self, intents: Sequence[OrderIntent]) -> list[Order | PerpkitError]:
        """
        Send several orders at once; one result for each, in order: the order, or the error it met.

        Raises:
            InvalidOrderError: One of them breaks a rule. None was sent.
            NotSentError: None left this machine.
        """
        self._require("place_orders")
        intents = check_several("place_orders", "intents", intents, "pass a list of OrderIntents")
        most = self.capabilities.max_batch_size
        if not 0 < len(intents) <= most:
            msg = f"{len(intents)} orders in one batch; {self.name} takes 1 to {most}"
            raise InvalidOrderError(msg, venue=self.name, operation="place_orders")
        exact = [await self._prepare("place_orders", intent) for intent in intents]
        now = self._context.clock.now()
        for each in exact:
            self._sent.remember(each, now)
        results: list[Order | PerpkitError] = await self._call(Hooks.place_orders, intents=exact)
        if len(results) != len(exact):
            msg = f"{len(results)} results for {len(exact)} orders; resolve each by its client order id"
            raise PluginError(msg, venue=self.name, operation="place_orders")
        return [self._known(each) if isinstance(each, Order) else each for each in results]

    async def amend_order(
        self,
        order: OrderLike,
        *,
        size: Decimal | int | str | None = None,
        price: Decimal | int | str | None = None,
        trigger_price: Decimal | int | str | None = None,
    ) -> Order:
        """
        Change an open order. ``size`` is the new total, what is filled already included.

        Raises:
            InvalidOrderError: The new values break a rule of the market. Nothing was sent.
            OrderRejectedError, OrderNotFoundError: The venue said no; the order stands as it was, if it stands.
            OutcomeUnknownError: Sent without proof; :meth:`fetch_order` tells.
        """
        self._require("amend_order")
        _ref("amend_order", order)
        market = await self.market(order.market_id)
        now = order if isinstance(order, Order) else await self.fetch_order(order)
        given = {"size": size, "price": price, "trigger_price": trigger_price}
        changes = {
            name: check_positive("amend_order", name, value) for name, value in given.items() if value is not None
        }
        if not changes:
            msg = "an amendment changes size, price or trigger_price"
            raise InvalidOrderError(msg, venue=self.name, operation="amend_order", client_order_id=now.client_order_id)
        amendment = OrderAmendment(order=now.ref, **changes)
        amendment = quantize.check_amendment(amendment, now, market)
        changed = await self._call(
            Hooks.amend_order, client_order_id=now.client_order_id, order=now, amendment=amendment
        )
        return self._known(changed)

    async def cancel_order(self, order: OrderLike) -> CancelResult:
        """
        Cancel one order, by the venue's id where it is known, else by ours.

        Raises:
            OrderNotFoundError: The venue has no such open order. It may have been filled; :meth:`fetch_order` tells.
        """
        ref = _ref("cancel_order", order)
        return await self._call(Hooks.cancel_order, client_order_id=ref.client_order_id, order=ref)

    async def cancel_orders(self, orders: Sequence[OrderLike]) -> list[CancelResult | PerpkitError]:
        """Cancel several orders; one result for each, in order."""
        refs = [
            _ref("cancel_orders", order)
            for order in check_several("cancel_orders", "orders", orders, "pass a list of orders")
        ]
        return await self._call(Hooks.cancel_orders, orders=refs) if refs else []

    async def cancel_all_orders(self, market: MarketLike | None = None) -> None:
        """Cancel every open order of one market, or of the account for None; returns when the venue took it."""
        self._require("cancel_all_orders")
        await self._call(Hooks.cancel_all_orders, market=await self._market_or_all(market))

    async def fetch_order(self, order: OrderLike) -> Order:
        """
        Return one order, open or not, as far back as the venue keeps it.

        Raises:
            OrderNotFoundError: The venue knows of none. That is no proof that none was placed.
        """
        self._require("fetch_order")
        ref = _ref("fetch_order", order)
        await self._context.markets.ensure()
        found = await self._call(Hooks.fetch_order, client_order_id=ref.client_order_id, order=ref)
        return self._known(found)

    async def fetch_open_orders(self, market: MarketLike | None = None) -> list[Order]:
        """Return every open order, those waiting for a trigger included."""
        self._require("fetch_open_orders")
        await self._context.markets.ensure()
        found: list[Order] = await self._call(Hooks.fetch_open_orders, market=await self._market_or_all(market))
        return [self._known(order) for order in found]

    async def fetch_order_history(
        self,
        market: MarketLike | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[Order]:
        """Return orders created in [since, until), oldest first; with ``limit``, the newest so many."""
        window = check_window("fetch_order_history", since, until, limit)
        await self._context.markets.ensure()
        return await self._call(Hooks.fetch_order_history, market=await self._market_or_all(market), **window)

    async def fetch_fills(
        self,
        market: MarketLike | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[Fill]:
        """Return this account's fills in [since, until), oldest first; with ``limit``, the newest so many."""
        window = check_window("fetch_fills", since, until, limit)
        await self._context.markets.ensure()
        return await self._call(Hooks.fetch_fills, market=await self._market_or_all(market), **window)

    async def set_dead_man_switch(self, after: timedelta | None) -> None:
        """Have the venue cancel all orders unless this is called again within ``after``; None switches it off."""
        self._require("set_dead_man_switch")
        if after is not None:
            check_span("set_dead_man_switch", "after", after)
        await self._call(Hooks.set_dead_man_switch, after=after)

    async def resolve_order(
        self,
        order: OrderLike | OrderIntent | OutcomeUnknownError | str,
        *,
        market: MarketLike | None = None,
        sent_at: datetime | None = None,
        within: timedelta = RESOLVE_WITHIN,
    ) -> Order:
        """
        Find out what became of an order whose outcome is unknown. Only reads; nothing is sent again.

        Looks by client order id among open orders, in the history and in the fills, until the venue knows the order, or
        can no longer accept it, or the bound is over.

        Args:
            order: The error that said so, the order, its client order id, or the intent as it was written down before
                sending, for what another process sent.
            market: Needed with an id that this object did not send.
            sent_at: With an intent: when it was sent, aware. Without intent and time, absence is never proof for an
                order of another process.

        Returns:
            The order as it is; ``rejected`` with reason ``never_received`` when it provably never was.

        Raises:
            OutcomeUnknownError: The bound is over and nothing is proved. Ask again later.
        """
        kinds = (Order, OrderRef, OrderIntent, OutcomeUnknownError, str)
        check_type(
            "resolve_order", "order", order, kinds, "pass the error, the order, its intent, or its client order id"
        )
        check_span("resolve_order", "within", within)
        check_window("resolve_order", sent_at, None, None)
        client_order_id = order if isinstance(order, str) else order.client_order_id
        sent = self._sent.get(client_order_id)
        intent = sent.intent if sent else order if isinstance(order, OrderIntent) else None
        if isinstance(order, Order | OrderRef):
            ref = _ref("resolve_order", order)
        elif client_order_id is None:
            msg = "what was sent without a client_order_id can't be looked for"
            raise ConfigError(msg, venue=self.name, operation="resolve_order")
        elif intent is not None or market is not None:
            listed = await self.market(intent.market_id if intent is not None else market or "")
            ref = OrderRef(market_id=listed.id, client_order_id=client_order_id)
            intent = intent.replace(market_id=listed.id) if intent is not None else None
        else:
            msg = f"order {client_order_id!r} was not sent by this object; name its market"
            raise ConfigError(msg, venue=self.name, operation="resolve_order", client_order_id=client_order_id)
        found = await resolve_order(
            self,
            ref,
            intent=intent,
            sent_at=sent.at if sent else sent_at,
            within=within,
            never_accepted_after=self._window_of(intent),
            clock=self._context.clock,
            known=lambda: self._orders.get(ref),
        )
        return self._known(found)

    # streams ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def stream(
        self, channels: Sequence[Subscription | Channel | str] | Subscription | Channel | str
    ) -> AsyncIterator[EventStream]:
        """
        Follow channels until the block ends.

        ::

            async with venue.stream(["book:BTC-USD-PERP", "orders"]) as events:
                async for event in events: ...

        A channel is ``name:market`` for market data, and ``name`` or ``name:market`` for private channels. See
        ``docs/streams.md`` for what is delivered after a loss.
        """
        if isinstance(channels, str | Subscription):
            wanted = [channels]
        else:
            wanted = check_several("stream", "channels", channels, 'pass names, such as ["orders"]')
        if not wanted:
            msg = 'no channel given; pass names, such as ["orders", "book:BTC-USD-PERP"]'
            raise ConfigError(msg, venue=self.name, operation="stream")
        subscriptions = [await self._subscription(each) for each in wanted]
        # An event of the whole account can be of any market, and a frame can't wait for the listing.
        await self._context.markets.ensure()
        async with self._hub.open(subscriptions) as events:
            yield events

    async def _subscription(self, wanted: Subscription | Channel | str) -> Subscription:
        name, market = self._channel_and_market(wanted)
        try:
            channel = Channel(name)
        except ValueError:
            msg = f"no channel {name!r}; there are {', '.join(Channel)}"
            raise ConfigError(msg, venue=self.name, operation="stream") from None
        if market is None and not channel.is_private:
            msg = f"channel {name!r} needs a market: {name}:BTC-USD-PERP"
            raise ConfigError(msg, venue=self.name, operation="stream")
        return Subscription(channel=channel, market=await self.market(market) if market is not None else None)

    def _channel_and_market(self, wanted: Subscription | Channel | str) -> tuple[str, MarketLike | None]:
        if isinstance(wanted, Subscription):
            return wanted.channel.value, wanted.market
        name, _, market = str(wanted).partition(":")
        return name, market or None

    def _open_source(self, subscriptions: Sequence[Subscription]) -> Any:
        return self._hook.open_stream(channels=subscriptions) if "open_stream" in self._hooks else None

    # plumbing --------------------------------------------------------------------------------------------------

    def supports(self, hook: str) -> bool:
        """Whether the plugin implements a hook."""
        return hook in self._hooks

    def _require(self, hook: str) -> None:
        if hook not in self._hooks:
            msg = "the plugin does not implement this"
            raise CapabilityError(msg, venue=self.name, operation=hook)

    async def _call(
        self,
        hook: Callable[..., Awaitable[T]],
        /,
        *,
        closing: bool = False,
        client_order_id: str | None = None,
        **arguments: Any,
    ) -> T:
        operation = hook.__name__
        self._require(operation)
        if not self._started or (self._closed and not closing):
            msg = "the venue is not open; use `async with perpkit.open_venue(...) as venue`"
            raise ConfigError(msg, venue=self.name, operation=operation)
        try:
            return await cast("Awaitable[T]", getattr(self._hook, operation)(**arguments))
        except PerpkitError as error:
            error.venue = error.venue or self.name
            error.operation = error.operation or operation
            error.client_order_id = error.client_order_id or client_order_id
            raise
        except (ValidationError, ArithmeticError) as error:
            # No model takes it, or nobody can compute with it: a bar below zero, a number of a million digits. Of the
            # answer to an order command the command's own guard has made an unknown outcome by now.
            if not operation.startswith(_ANSWERED):
                raise
            msg = f"an answer holds what can't be ({_why(error)})"
            raise DecodeError(msg, venue=self.name, operation=operation) from error

    async def _prepare(self, operation: str, intent: OrderIntent) -> OrderIntent:
        check_type(operation, "intent", intent, OrderIntent, "pass an OrderIntent")
        market = await self.market(intent.market_id)
        return await self._preparation.prepare(intent, market, lambda each: self.fetch_order_book(each, depth=1))

    def _known(self, order: Order) -> Order:
        """Merge with what is known: an answer that was overtaken by the stream must not take an order back."""
        self._orders.observe(order)
        return self._orders.get(order) or order

    def _window_of(self, intent: OrderIntent | None) -> timedelta | None:
        venue_window = self.capabilities.never_accepted_after
        if intent is not None and intent.accept_within is not None and venue_window is not None:
            return intent.accept_within
        return venue_window

    async def _markets(self, operation: str, markets: Sequence[MarketLike] | None) -> list[Market] | None:
        if markets is None:
            return None
        several = check_several(operation, "markets", markets, "pass a list of markets")
        return [await self.market(each) for each in several]

    async def _market_or_all(self, market: MarketLike | None) -> Market | None:
        return None if market is None else await self.market(market)


def _why(error: ValidationError | ArithmeticError) -> str:
    if isinstance(error, ArithmeticError):
        return f"{type(error).__name__} in computing with it"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{error.title} {'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def _ref(operation: str, order: OrderLike) -> OrderRef:
    instead = "pass an Order, or OrderRef(market_id=..., client_order_id=...)"
    check_type(operation, "order", order, (Order, OrderRef), instead)
    return order if isinstance(order, OrderRef) else order.ref
