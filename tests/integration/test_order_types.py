"""
Every type, instruction, flag and self-trade mode that the plugin offers, judged by what the exchange then does: not by
the words that were sent.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

import perpkit
from perpkit.core.errors import OrderRejectedError, RejectReason
from perpkit.core.models import OrderStatus, OrderType, SelfTradePrevention, Side, TimeInForce
from perpkit.sim.orders import CloseReason, OrderState, TriggerWhen
from tests.integration.conftest import BTC, while_time_passes
from tests.integration.helpers import (
    BEST_ASK,
    BEST_BID,
    intent,
    market_intent,
    true_order,
    true_orders,
    true_position,
)

INSIDE = "100000"
"""Between the best bid and the best ask."""


async def test_a_limit_order_rests_as_it_was_asked(local, venue):
    """Every field arrives, to the digit."""
    order = await venue.place_order(
        intent(side=Side.SELL, size="0.12345", price="100500.1", client_order_id="rests-1", reduce_only=False)
    )
    truth = true_order(local, order.venue_order_id)
    assert (truth.state, truth.type, truth.side) == (OrderState.OPEN, OrderType.LIMIT, Side.SELL)
    assert (str(truth.size), str(truth.price), truth.client_id) == ("0.12345", "100500.1", "rests-1")
    assert (truth.time_in_force, truth.post_only, truth.reduce_only) == (TimeInForce.GTC, False, False)
    (found,) = await venue.fetch_open_orders()
    assert (found.price, found.size, found.side, found.status) == (
        truth.price,
        truth.size,
        Side.SELL,
        OrderStatus.OPEN,
    )


async def test_a_limit_order_that_crosses_takes_and_rests_the_remainder(local, venue):
    """One BTC stands at the best ask; half a BTC more waits there."""
    order = await venue.place_order(intent(size="1.5", price=BEST_ASK))
    now = await venue.fetch_order(order)
    assert (now.status, now.filled_size, now.remaining_size) == (
        OrderStatus.PARTIALLY_FILLED,
        Decimal(1),
        Decimal("0.5"),
    )
    assert now.average_price == BEST_ASK
    assert local.exchange.bbo(BTC).bid.price == BEST_ASK


@pytest.mark.parametrize(("side", "best"), [(Side.BUY, BEST_ASK), (Side.SELL, BEST_BID)])
async def test_a_market_order_takes_the_best_price(local, venue, side, best):
    """It fills at once and whole, at the quote."""
    order = await venue.place_order(market_intent(side=side))
    truth = true_order(local, order.venue_order_id)
    assert (truth.is_closed, truth.close_reason, truth.average_price) == (True, CloseReason.FILLED, best)
    assert true_position(local) == side.sign * Decimal("0.1")


async def test_a_bounded_market_order_takes_no_worse_price(local, venue):
    """Ten levels of one BTC a tick apart; five ticks from the best are allowed, and nothing is left standing."""
    # 0.0000051 of 100,000.1 is 0.51: quotes up to 100,000.6, six levels.
    order = await venue.place_order(market_intent(size="9", max_slippage="0.0000051"))
    truth = true_order(local, order.venue_order_id)
    assert (truth.filled_size, truth.is_closed) == (Decimal(6), True)
    assert max(fill.price for fill in local.exchange.fills(local.accounts[0].address)) == Decimal("100000.6")


async def test_ioc_fills_what_it_can_and_cancels_the_rest(local, venue):
    """The fill stays, the order is canceled, nothing rests."""
    order = await venue.place_order(intent(size="1.5", price=BEST_ASK, time_in_force="ioc"))
    now = await venue.fetch_order(order)
    assert (now.status, now.filled_size, now.reject_reason) == (
        OrderStatus.CANCELED,
        Decimal(1),
        RejectReason.NO_LIQUIDITY,
    )
    assert true_order(local, order.venue_order_id).close_reason is CloseReason.IOC_REMAINDER
    assert await venue.fetch_open_orders() == []


async def test_post_only_rests_and_is_filled_as_maker(local, venue):
    """Its fee is the maker's."""
    order = await venue.place_order(intent(price=INSIDE, post_only=True))
    assert true_order(local, order.venue_order_id).post_only
    local.control.trade(BTC, Side.SELL, Decimal("0.1"))
    (fill,) = await venue.fetch_fills()
    assert (fill.liquidity, fill.fee, fill.side) == (perpkit.Liquidity.MAKER, Decimal(0), Side.BUY)
    assert (await venue.fetch_order(order)).post_only


async def test_reduce_only_closes_no_more_than_is_open(local, venue):
    """Half is asked, three tenths are open: flat, never short."""
    await venue.place_order(market_intent(size="0.3"))
    order = await venue.place_order(intent(side=Side.SELL, size="0.5", price=BEST_BID, reduce_only=True))
    truth = true_order(local, order.venue_order_id)
    assert (truth.filled_size, truth.is_closed, true_position(local)) == (Decimal("0.3"), True, Decimal(0))
    now = await venue.fetch_order(order)
    assert (now.status, now.filled_size, now.reduce_only) == (OrderStatus.CANCELED, Decimal("0.3"), True)


async def test_a_resting_reduce_only_order_goes_when_the_position_does(local, venue):
    """Nothing is left for it to reduce; it must not open a position later."""
    await venue.place_order(market_intent(size="0.3"))
    order = await venue.place_order(intent(side=Side.SELL, size="0.3", price="100500", reduce_only=True))
    assert not true_order(local, order.venue_order_id).is_closed
    await venue.place_order(market_intent(side=Side.SELL, size="0.3"))
    assert true_order(local, order.venue_order_id).is_closed
    assert true_position(local) == 0


# Orders that wait for a price

TRIGGERS = [
    # type, side, trigger, limit price; they wake when the mark reaches the trigger from its side.
    (OrderType.STOP_MARKET, Side.BUY, "101000", None),
    (OrderType.STOP_MARKET, Side.SELL, "99000", None),
    (OrderType.STOP_LIMIT, Side.BUY, "101000", "101500"),
    (OrderType.STOP_LIMIT, Side.SELL, "99000", "98500"),
    (OrderType.TAKE_PROFIT_MARKET, Side.BUY, "99000", None),
    (OrderType.TAKE_PROFIT_MARKET, Side.SELL, "101000", None),
    (OrderType.TAKE_PROFIT_LIMIT, Side.BUY, "99000", "99500"),
    (OrderType.TAKE_PROFIT_LIMIT, Side.SELL, "101000", "100500"),
]


@pytest.mark.parametrize(("kind", "side", "trigger", "price"), TRIGGERS, ids=[f"{k}-{s}" for k, s, *_ in TRIGGERS])
async def test_a_triggered_order_waits_and_then_trades(local, venue, listen, kind, side, trigger, price):  # noqa: PLR0917
    """Open while it waits, untouched a step before its price, filled once the mark is there."""
    asked = intent(side=side, type=kind, trigger_price=trigger, price=price)
    async with listen(venue, "orders") as heard:
        order = await venue.place_order(asked)
        (waiting,) = await venue.fetch_open_orders()
        truth = true_order(local, order.venue_order_id)
        assert truth.state is OrderState.UNTRIGGERED
        rises = Decimal(trigger) > 100_000
        assert truth.trigger_when is (TriggerWhen.ABOVE if rises else TriggerWhen.BELOW)
        assert (waiting.status, waiting.type, waiting.trigger_price) == (OrderStatus.OPEN, kind, Decimal(trigger))
        assert waiting.price == (Decimal(price) if price else None)

        local.control.clear_liquidity(BTC)
        step = Decimal("0.1") if rises else Decimal("-0.1")
        local.control.set_price(BTC, mark=Decimal(trigger) - step)
        assert true_order(local, order.venue_order_id).state is OrderState.UNTRIGGERED
        local.control.quote(BTC, mid=Decimal(trigger))
        local.control.set_price(BTC, mark=Decimal(trigger))
        await heard.wait_for(lambda: any(each.is_terminal for each in heard.of(perpkit.Order)), "the fill")
    truth = true_order(local, order.venue_order_id)
    assert (truth.close_reason, true_position(local)) == (CloseReason.FILLED, side.sign * Decimal("0.1"))
    assert truth.average_price == Decimal(trigger) + side.sign * Decimal("0.1")
    assert (await venue.fetch_order(order)).status is OrderStatus.FILLED


@pytest.mark.parametrize(("kind", "wire"), [("stop_market", "STOP_LOSS_MARKET"), ("stop_limit", "STOP_LOSS_LIMIT")])
async def test_the_option_stop_loss_takes_the_venues_own_type(local, venue, kind, wire):
    """Reduce-only, tied to the position; amending keeps the type."""
    await venue.place_order(market_intent())
    price = {"price": "98000"} if kind == "stop_limit" else {"price": None}
    order = await venue.place_order(
        intent(
            side=Side.SELL,
            type=kind,
            trigger_price="98500",
            reduce_only=True,
            options={"stop_loss": True},
            **price,
        )
    )
    truth = true_order(local, order.venue_order_id)
    assert (truth.meta["type"], truth.reduce_only, truth.state) == (wire, True, OrderState.UNTRIGGERED)
    changed = await venue.amend_order(order, trigger_price="98600")
    assert (changed.type, true_order(local, order.venue_order_id).trigger_price) == (OrderType(kind), 98600)
    assert true_order(local, order.venue_order_id).meta["type"] == wire


@pytest.mark.parametrize(("condition", "when"), [("above", TriggerWhen.ABOVE), ("below", TriggerWhen.BELOW)])
async def test_the_option_trigger_condition_says_on_which_side_it_fires(local, venue, condition, when):
    """A stop that sells above its trigger, which no stop does by itself, waits where it is told to."""
    order = await venue.place_order(
        intent(
            side=Side.SELL,
            type="stop_limit",
            trigger_price="101000" if condition == "above" else "99000",
            price="98000",
            options={"trigger_condition": condition},
        )
    )
    truth = true_order(local, order.venue_order_id)
    assert (truth.state, truth.trigger_when) == (OrderState.UNTRIGGERED, when)


# Self-trade prevention: our own offer stands between the quotes, and we buy at its price.

STP = [
    (SelfTradePrevention.EXPIRE_MAKER, True, False),
    (SelfTradePrevention.EXPIRE_TAKER, False, True),
    (SelfTradePrevention.EXPIRE_BOTH, True, True),
    (None, False, True),  # the venue's own choice: the taker goes
]


@pytest.mark.parametrize(("mode", "maker_goes", "taker_goes"), STP, ids=[str(mode) for mode, *_ in STP])
async def test_self_trade_prevention_takes_the_order_it_names(local, venue, mode, maker_goes, taker_goes):
    """Canceled with the reason self_trade, and no trade of us with ourselves in any mode."""
    maker = await venue.place_order(intent(side=Side.SELL, price=INSIDE, post_only=True))
    taker = await venue.place_order(intent(price=INSIDE, self_trade_prevention=mode))
    for order, goes in ((maker, maker_goes), (taker, taker_goes)):
        truth = true_order(local, order.venue_order_id)
        assert truth.is_closed is goes
        assert truth.close_reason is (CloseReason.SELF_TRADE if goes else None)
        found = await venue.fetch_order(order)
        assert found.status is (OrderStatus.CANCELED if goes else OrderStatus.OPEN)
        assert found.reject_reason is (RejectReason.SELF_TRADE if goes else None)
    assert local.exchange.fills(local.accounts[0].address) == []


# How long the venue may take it


@pytest.mark.parametrize("where", ["intent", "setting", "both", "neither"])
async def test_an_order_that_arrives_after_its_window_is_refused(local, open_on, where):
    """Held up for 25 s: too late for a window of 20 s, in time for the venue's own of five minutes."""
    settings = {"recv_window_ms": 20_000} if where == "setting" else {"recv_window_ms": 60_000}
    venue = await open_on(**settings) if where in {"setting", "both"} else await open_on()
    window = {"accept_within": timedelta(seconds=20)} if where in {"intent", "both"} else {}
    await venue.fetch_open_orders()
    local.control.inject("delay", match="POST /v1/orders", delay_ms=25_000)
    work = while_time_passes(local, venue.place_order(intent(**window)))
    if where == "neither":
        order = await work
        assert [each.id for each in true_orders(local)] == [order.venue_order_id]
        return
    with pytest.raises(OrderRejectedError) as caught:
        await work
    assert caught.value.reason is RejectReason.EXPIRED
    assert true_orders(local) == []


# The venue's own flags


async def test_an_order_marked_interactive_carries_the_mark(local, venue):
    """As a flag of the order, and without changing what it does."""
    order = await venue.place_order(intent(options={"interactive": True}))
    assert true_order(local, order.venue_order_id).meta["flags"] == ["INTERACTIVE"]


@pytest.mark.parametrize(
    "options",
    [{"rpi": True}, {"vwap_price": "100000.5"}, {"on_behalf_of_account": "0x1234"}],
    ids=["rpi", "vwap", "another account"],
)
async def test_what_this_account_may_not_use_is_a_rejection(local, venue, options):
    """The venue's own words stay in the message; there is no order."""
    asked = market_intent(options=options) if "vwap_price" in options else intent(options=options)
    with pytest.raises(OrderRejectedError) as caught:
        await venue.place_order(asked)
    assert caught.value.code
    assert true_orders(local) == []


async def test_a_retail_session_pays_the_retail_fee(local, open_on):
    """``token_usage="interactive"`` signs in for it; the market shows that fee, and the fill costs it."""
    venue = await open_on(token_usage="interactive")
    assert (await venue.market(BTC)).taker_fee == 0
    await venue.place_order(market_intent())
    (fill,) = await venue.fetch_fills()
    assert fill.fee == local.exchange.fills(local.accounts[0].address)[0].fee == 0


@pytest.mark.parametrize(
    ("symbol", "size", "price"),
    [
        ("kPEPE-USD-PERP", "100000000", "0.0119999"),
        ("kPEPE-USD-PERP", "10", "1.2"),
        ("BTC-USD-PERP", "0.00011", "99999.9"),
        ("BTC-USD-PERP", "1e-2", "9.5E4"),
        ("ETH-USD-PERP", "0.0100", "3999.990"),
    ],
)
async def test_extreme_numbers_are_signed_as_they_are_sent(local, venue, symbol, size, price):
    """The exchange verifies the signature over the very text; it takes the order with exactly these numbers."""
    order = await venue.place_order(intent(market_id=symbol, size=size, price=price))
    truth = true_order(local, order.venue_order_id)
    assert (truth.size, truth.price) == (Decimal(size), Decimal(price))
