"""Dry run: everything is answered, nothing is sent, and every answer says so."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.errors import (
    CapabilityError,
    ConfigError,
    InvalidOrderError,
    OrderNotFoundError,
    OrderRejectedError,
    RejectReason,
)
from perpkit.core.middleware import DryRun
from perpkit.core.middleware import dry_run as module
from perpkit.core.models import (
    CancelStatus,
    MarginMode,
    OrderRef,
    OrderStatus,
    OrderType,
    PositionMode,
    TimeInForce,
)
from tests.core.clocks import ManualClock
from tests.core.middleware.rig import BTC, Rig, buy, sell
from tests.core.toys import ToyVenue

COMMANDS = {
    "place_order",
    "place_orders",
    "amend_order",
    "cancel_order",
    "cancel_orders",
    "cancel_all_orders",
    "set_leverage",
    "set_margin_mode",
    "adjust_margin",
    "set_position_mode",
    "set_dead_man_switch",
}


@pytest.fixture
async def rig():
    clock = ManualClock()
    async with Rig(DryRun(clock=clock), clock=clock) as rig:
        yield rig
        assert not COMMANDS & set(rig.reached), "a dry run sent something"


async def test_an_order_is_acknowledged_and_stands_in_the_dry_book(rig: Rig):
    """It has both ids, says that nothing was sent, and is found in every way that a real one is."""
    order = await rig.venue.place_order(buy("0.5", client_order_id="mine"))
    assert (order.status, order.size, order.filled_size) == (OrderStatus.OPEN, Decimal("0.5"), Decimal(0))
    assert (order.venue_order_id, order.client_order_id) == ("dry-1", "mine")
    assert order.status_message == "dry run: nothing was sent"
    assert await rig.venue.fetch_open_orders() == [order]
    assert await rig.venue.fetch_open_orders("kPEPE-USD-PERP") == []
    assert await rig.venue.fetch_order(OrderRef(market_id=BTC, client_order_id="mine")) == order
    assert await rig.venue.fetch_order(OrderRef(market_id=BTC, venue_order_id="dry-1")) == order
    assert [each.venue_order_id for each in await rig.venue.fetch_order_history()] == ["dry-1"]


async def test_an_order_that_breaks_a_rule_is_refused_as_ever(rig: Rig):
    """The face checks, and so does the wrapper when a hook is called past the face."""
    with pytest.raises(InvalidOrderError, match="off step"):
        await rig.venue.place_order(buy("0.0015"))
    with pytest.raises(InvalidOrderError, match="off tick"):
        await rig.venue._manager.hook.place_order(intent=buy(price="100.3"))


async def test_a_client_id_used_twice_is_rejected(rig: Rig):
    """As a venue would."""
    await rig.venue.place_order(buy(client_order_id="mine"))
    with pytest.raises(OrderRejectedError) as caught:
        await rig.venue.place_order(sell(client_order_id="mine"))
    assert caught.value.reason is RejectReason.DUPLICATE_CLIENT_ID
    assert len(await rig.venue.fetch_open_orders()) == 1


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"price": None}, OrderStatus.CANCELED),
        ({"time_in_force": TimeInForce.IOC}, OrderStatus.CANCELED),
        ({"time_in_force": TimeInForce.FOK}, OrderStatus.CANCELED),
        ({"post_only": True}, OrderStatus.OPEN),
        ({"price": None, "type": OrderType.STOP_MARKET, "trigger_price": Decimal(90)}, OrderStatus.OPEN),
    ],
    ids=["market", "ioc", "fok", "post-only", "stop"],
)
async def test_an_order_that_cannot_rest_is_answered_as_canceled_without_a_fill(rig: Rig, fields, status):
    """It would be a lie to let it stand, and another to say that it filled."""
    order = await rig.venue.place_order(buy(**fields))
    assert (order.status, order.filled_size) == (status, Decimal(0))
    assert order.status_message.startswith("dry run: nothing was sent")
    assert len(await rig.venue.fetch_open_orders()) == (status is OrderStatus.OPEN)


async def test_a_batch_is_answered_one_by_one(rig: Rig):
    """A refusal of one does not touch the others."""
    results = await rig.venue.place_orders([buy(client_order_id="a"), buy(client_order_id="a"), buy()])
    assert [type(each).__name__ for each in results] == ["Order", "OrderRejectedError", "Order"]


async def test_cancel_and_amend_work_on_the_dry_book(rig: Rig):
    """The book follows, and what is over can't be changed."""
    order = await rig.venue.place_order(buy())
    changed = await rig.venue.amend_order(order, price=101, size="0.5")
    assert (changed.price, changed.size, changed.status_message) == (101, Decimal("0.5"), "dry run: nothing was sent")
    assert await rig.venue.fetch_open_orders() == [changed]
    assert (await rig.venue.cancel_order(order)).status is CancelStatus.CANCELED
    assert (await rig.venue.fetch_order(order)).status is OrderStatus.CANCELED
    assert (await rig.venue.cancel_order(order)).status is CancelStatus.ALREADY_CLOSED
    assert await rig.venue.fetch_open_orders() == []
    with pytest.raises(OrderNotFoundError):
        await rig.venue.amend_order(order, price=102)
    with pytest.raises(InvalidOrderError, match="off tick"):
        await rig.venue.amend_order(await rig.venue.place_order(buy()), price="101.3")


async def test_cancel_all_keeps_to_its_market(rig: Rig):
    """One market's orders go, the other's stay; then all go."""
    await rig.venue.place_order(buy())
    await rig.venue.place_order(buy(market_id="kPEPE-USD-PERP@toy"))
    await rig.venue.cancel_all_orders("BTC-USD-PERP")
    assert [order.market_id for order in await rig.venue.fetch_open_orders()] == ["kPEPE-USD-PERP@toy"]
    await rig.venue.cancel_all_orders()
    assert await rig.venue.fetch_open_orders() == []


async def test_several_cancels_are_answered_one_by_one(rig: Rig):
    """A dry id that never was is not found; the rest are canceled."""
    order = await rig.venue.place_order(buy())
    results = await rig.venue.cancel_orders([order.ref, OrderRef(market_id=BTC, venue_order_id="dry-77")])
    assert results[0].status is CancelStatus.CANCELED
    assert isinstance(results[1], OrderNotFoundError)


async def test_real_orders_are_shown_and_left_alone(rig: Rig, caplog: pytest.LogCaptureFixture):
    """They stand beside the dry ones; a cancel is answered as requested, an amendment as it would be."""
    real = await ToyVenue.place_order(rig.plugin, buy())
    dry = await rig.venue.place_order(buy())
    assert {order.venue_order_id for order in await rig.venue.fetch_open_orders()} == {"v1", "dry-1"}
    with caplog.at_level("INFO"):
        assert (await rig.venue.cancel_order(real)).status is CancelStatus.REQUESTED
    assert "was not sent" in caplog.text
    assert (await rig.venue._manager.hook.fetch_order(order=real.ref)).status is OrderStatus.OPEN
    assert (await rig.venue._manager.hook.fetch_order(order=dry.ref)).venue_order_id == "dry-1"


async def test_an_order_expires_at_its_time(rig: Rig):
    """Good till date is good till then, on the injected clock."""
    expires = rig.clock.now() + timedelta(seconds=60)
    order = await rig.venue.place_order(buy(time_in_force=TimeInForce.GTD, expires_at=expires))
    rig.clock.advance(59)
    assert len(await rig.venue.fetch_open_orders()) == 1
    rig.clock.advance(1)
    assert await rig.venue.fetch_open_orders() == []
    assert (await rig.venue.fetch_order(order)).status is OrderStatus.EXPIRED


async def test_history_keeps_to_its_window_and_limit(rig: Rig):
    """[since, until), oldest first; with a limit the newest."""
    begin = rig.clock.now()
    for name in ("a", "b", "c"):
        await rig.venue.place_order(buy(client_order_id=name))
        rig.clock.advance(10)
    names = [order.client_order_id for order in await rig.venue.fetch_order_history("BTC-USD-PERP")]
    assert names == ["a", "b", "c"]
    window = await rig.venue.fetch_order_history(
        since=begin + timedelta(seconds=10), until=begin + timedelta(seconds=20)
    )
    assert [order.client_order_id for order in window] == ["b"]
    newest = await rig.venue.fetch_order_history(limit=2)
    assert [order.client_order_id for order in newest] == ["b", "c"]


async def test_settings_are_answered_and_not_sent(rig: Rig):
    """The rest of the setting is the account's own; later reads show what would hold."""
    with pytest.raises(CapabilityError, match="call fetch_leverage first"):
        await rig.venue.set_leverage("BTC-USD-PERP", 10)
    await rig.venue.fetch_leverage("BTC-USD-PERP")
    setting = await rig.venue.set_leverage("BTC-USD-PERP", 10)
    assert (setting.leverage, setting.margin_mode) == (10, MarginMode.ISOLATED)
    setting = await rig.venue.set_margin_mode("BTC-USD-PERP", MarginMode.CROSS)
    assert await rig.venue.fetch_leverage("BTC-USD-PERP") == setting
    assert (setting.leverage, setting.margin_mode) == (10, MarginMode.CROSS)
    await rig.venue.adjust_margin("BTC-USD-PERP", "-5")
    assert await rig.venue.set_position_mode(PositionMode.HEDGE) is PositionMode.HEDGE
    await rig.venue.set_dead_man_switch(timedelta(seconds=5))
    assert rig.plugin.leverage.leverage == 5


async def test_memory_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    """Orders that are over go, the oldest first; those that stand stay and are found by either id."""
    monkeypatch.setattr(module, "_KEPT", 10)
    standing = await rig.venue.place_order(buy(client_order_id="standing"))
    for _ in range(50):
        await rig.venue.place_order(buy(price=None))
    held = rig.venue._manager.get_plugin("DryRun-1").orders
    assert len(held) <= 11
    assert await rig.venue.fetch_open_orders() == [standing]
    assert await rig.venue.fetch_order(OrderRef(market_id=BTC, client_order_id="standing")) == standing


def test_one_wrapper_does_not_mix_two_venues():
    """Its book is of one account."""
    dry = DryRun()
    Rig(dry)
    dry._venue = "elsewhere"
    with pytest.raises(ConfigError, match="already wraps elsewhere"):
        Rig(dry)
