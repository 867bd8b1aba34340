"""The live side: what is refused, and that what it does leaves an account as it was. Run against a local exchange."""

from __future__ import annotations

from decimal import Decimal

import pytest
from perpkit_conformance.live import CONFIRMATION, HIGHEST_CAP, permit, read_everything, try_one_order
from perpkit_conformance.profiles.paradex import ParadexProfile
from perpkit_conformance.target import Target

from perpkit.core.errors import ConfigError, DecodeError
from perpkit.core.models import OrderStatus

SET = {CONFIRMATION: "paradex"}


@pytest.fixture
async def target():
    """A local exchange in the place of the testnet."""
    async with Target(ParadexProfile()) as started:
        yield started


def test_a_testnet_needs_no_opt_in_and_is_read_only():
    """Worthless money may be looked at, and is not moved unless told so."""
    allowed = permit("paradex", "testnet", {})
    assert (allowed.trade, allowed.max_notional) == (False, Decimal(50))
    assert permit("paradex", "testnet", {}, trade=True).trade


@pytest.mark.parametrize(
    ("environ", "real_money", "missing"),
    [
        ({}, False, "--real-money and the environment variable PERPKIT_LIVE_REAL_MONEY=paradex"),
        ({}, True, "the environment variable PERPKIT_LIVE_REAL_MONEY=paradex"),
        (SET, False, "the option --real-money"),
        ({CONFIRMATION: "yes"}, True, "PERPKIT_LIVE_REAL_MONEY=paradex"),
        ({CONFIRMATION: "extended"}, True, "PERPKIT_LIVE_REAL_MONEY=paradex"),
    ],
)
@pytest.mark.parametrize("environment", ["mainnet", "prod", "anything new"])
def test_a_mainnet_is_refused_without_both_opt_ins(environment, environ, real_money, missing):
    """One opt-in is not enough, nor one for another venue; what is not known to be harmless is a mainnet."""
    with pytest.raises(ConfigError, match=missing):
        permit("paradex", environment, environ, real_money=real_money)


def test_a_mainnet_with_both_opt_ins_is_still_read_only():
    """The opt-ins are for looking; trading is asked for by itself."""
    assert permit("paradex", "mainnet", SET, real_money=True).trade is False


@pytest.mark.parametrize("cap", [Decimal(0), Decimal(-1), HIGHEST_CAP + 1])
def test_a_cap_beyond_the_highest_is_refused(cap):
    """Nobody raises the cap to what hurts."""
    with pytest.raises(ConfigError, match="within the cap"):
        permit("paradex", "testnet", {}, max_notional=cap)


async def test_every_read_is_called(target):
    """Each claimed read is answered, and what came is counted."""
    target.quote()
    target.submit("buy", "0.1")
    venue = await target.open()
    found = await read_everything(venue, target.market)
    assert found["fetch_positions"] == 1
    assert found["fetch_fills"] == len(target.truth().fills())
    assert len(found) == 14
    assert target.breaches() == []


async def test_a_read_that_fails_is_named(target):
    """Evidence that is incomplete is no evidence."""
    venue = await target.open()
    target.inject("fetch_positions", "replace", body='{"results": "none"}', times=None)
    with pytest.raises(DecodeError, match="positions"):
        await target.run(read_everything(venue, target.market))


async def test_one_order_goes_there_and_back(target):
    """It is canceled in the ledger as well, within the cap, and nothing is left."""
    target.quote()
    venue = await target.open()
    order = await try_one_order(venue, target.market, permit("paradex", "local", {}, trade=True))
    (placed,) = target.truth().orders()
    assert order.status is OrderStatus.CANCELED
    assert placed.size * placed.price <= 50
    assert placed.post_only
    assert target.truth().open_orders() == []
    assert target.truth().positions() == {}


async def test_a_read_only_permit_places_nothing(target):
    """Without the word no order is sent."""
    target.quote()
    venue = await target.open()
    with pytest.raises(ConfigError, match="read-only"):
        await try_one_order(venue, target.market, permit("paradex", "local", {}))
    assert target.truth().orders() == []


async def test_an_order_above_the_cap_is_not_sent(target):
    """Where the smallest order is worth more than is allowed, none is placed."""
    target.quote()
    venue = await target.open()
    with pytest.raises(ConfigError, match="above the cap of 1"):
        await try_one_order(venue, target.market, permit("paradex", "local", {}, trade=True, max_notional=Decimal(1)))
    assert target.truth().orders() == []


@pytest.mark.parametrize("held", ["0", "0.2", "-0.2"])
async def test_what_was_filled_after_all_is_undone(target, held):
    """A fill in between is undone, by an order that can only reduce where that is so; what was there before stays."""
    target.quote()
    if Decimal(held):
        target.submit("buy" if Decimal(held) > 0 else "sell", held.lstrip("-"))
    venue = await target.open()
    cancel = venue.cancel_order

    async def fill_first(order):
        target.submit("buy", "0.001")
        return await cancel(order)

    venue.cancel_order = fill_first
    await try_one_order(venue, target.market, permit("paradex", "local", {}, trade=True))
    assert sum(each.size for each in target.truth().positions().values()) == Decimal(held)
    assert target.truth().open_orders() == []
    assert target.truth().orders()[-1].reduce_only == (Decimal(held) >= 0)
