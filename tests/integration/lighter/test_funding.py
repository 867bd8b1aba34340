"""
Funding on Lighter: three sources in three units, each held against what the exchange's ledger then paid. Rate times
notional is the payment, with its sign.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.models import FundingKind, FundingRate, OrderType, Side
from tests.integration.conftest import eventually
from tests.integration.lighter.conftest import BTC, ETH, WIRE_BTC, WIRE_ETH, account_id, intent, paced, true_size

D = Decimal
HOUR = timedelta(hours=1)
MICRO = D("0.000001")
"""The venue keeps USDC with six places."""


async def hold(local, venue, side, size, market=ETH):
    """Open a position at market."""
    await venue.place_order(intent(market_id=market, side=side, size=size, price=None, type=OrderType.MARKET))
    await eventually(lambda: true_size(local, market.partition("-")[0]), "the position")


def close_to(paid, due):
    """As exact as the ledger's own rounding."""
    return abs(paid - due) <= MICRO


@pytest.mark.parametrize("rate", ["0.0001", "-0.00007", "0.0000125"])
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
async def test_rate_times_notional_is_the_payment_for_all_three_sources(local, venue, listen, side, rate):
    """What /funding-rates and the stream foretell and /fundings tells afterwards is what the position pays or gets."""
    await hold(local, venue, side, "1.5")
    local.control.set_funding_rate(WIRE_ETH, D(rate))
    local.control.set_price(WIRE_ETH, index=D(4100), mark=D("4099.50"))
    async with listen(venue, f"funding:{ETH}") as heard:
        local.control.advance(timedelta(seconds=1))
        await paced(local, eventually(lambda: heard.of(FundingRate), "the streamed rate"))
        streamed = heard.of(FundingRate)[-1]
        (asked,) = [each for each in await venue.fetch_funding_rates() if each.market_id == f"{ETH}@lighter"]
    size = true_size(local)
    local.control.advance(HOUR)
    (settled,) = await venue.fetch_funding_history(ETH)
    (payment,) = await venue.fetch_funding_payments()
    (truth,) = local.exchange.funding_payments(account_id(local))
    assert close_to(payment.amount, truth.amount)
    assert (truth.amount > 0) is (D(rate) * size < 0), "a long pays a positive rate"
    for source in (asked, streamed, settled):
        assert source.period == HOUR
        assert close_to(-size * truth.price * source.value, truth.amount), source.source
    assert (asked.kind, streamed.kind, settled.kind) == (
        FundingKind.PREDICTED,
        FundingKind.PREDICTED,
        FundingKind.SETTLED,
    )
    assert (asked.source, streamed.source, settled.source) == (
        "GET /api/v1/funding-rates",
        "market_stats",
        "GET /api/v1/fundings",
    )
    assert asked.next_at == streamed.next_at == settled.effective_at
    assert close_to(-payment.size * truth.price * payment.rate, payment.amount)


async def test_another_exchanges_rate_is_nobodys_here(local, venue):
    """The endpoint mixes four exchanges, the others first: one rate a market comes back, this venue's."""
    local.control.set_funding_rate(WIRE_ETH, D("0.00004"))
    rates = await venue.fetch_funding_rates()
    assert len({each.market_id for each in rates}) == len(rates)
    assert [each.value for each in rates if each.market_id == f"{ETH}@lighter"] == [D("0.00004")]


async def test_payments_of_two_markets_and_many_hours_are_all_there_once(local, venue):
    """Pages, markets and periods: the ledger's rows, each once, and the balance moved by their sum."""
    me = account_id(local)
    await hold(local, venue, Side.BUY, "1")
    await hold(local, venue, Side.SELL, "0.05", BTC)
    local.control.set_funding_rate(WIRE_ETH, D("0.0001"))
    local.control.set_funding_rate(WIRE_BTC, D("0.00003"))
    (before,) = await venue.fetch_balances()
    begun = local.clock.now()
    local.control.advance(60 * HOUR)
    truth = local.exchange.funding_payments(me)
    payments = await venue.fetch_funding_payments()
    assert len(payments) == len({each.payment_id for each in payments}) == len(truth) == 120
    assert sum(each.amount for each in payments) == sum(each.amount for each in truth)
    (after,) = await venue.fetch_balances()
    assert after.total - before.total == sum(each.amount for each in truth)
    eth = await venue.fetch_funding_payments(ETH, since=begun + 10 * HOUR, until=begun + 20 * HOUR)
    inside = [each for each in truth if each.market == WIRE_ETH][9:19]
    assert [each.amount for each in eth] == [each.amount for each in inside]
    assert eth == sorted(eth, key=lambda each: each.ts_venue)
