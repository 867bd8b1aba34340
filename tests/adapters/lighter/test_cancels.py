"""Cancels, of one order, of several and of all, and the dead man's switch, which is a scheduled one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from perpkit.core.errors import ConfigError, OrderNotFoundError, OrderRejectedError, OutcomeUnknownError
from perpkit.core.models import CancelStatus, OrderRef
from tests.adapters.lighter.orders import ETH, REST, fate
from tests.adapters.lighter.stub import hash_of, no

# Canceling


@pytest.mark.parametrize(
    ("names", "index"),
    [
        ({"client_order_id": "1001"}, 1001),
        ({"venue_order_id": "281476977000123", "client_order_id": "1001"}, 281476977000123),
    ],
)
async def test_a_cancel_is_requested_and_not_confirmed(stub, names, index):
    """The order's own update confirms it."""
    async with stub.open() as venue:
        result = await venue.cancel_order(OrderRef(market_id=ETH, **names))
    assert result.status is CancelStatus.REQUESTED
    assert (stub.sent[0].form["tx_type"], stub.sent[0].tx["Index"]) == ("15", index)


@pytest.mark.parametrize("code", [21600, 21700, 21709, 21715])
async def test_a_cancel_of_what_is_gone_is_told_apart(stub, code):
    """Which is no proof of what became of it."""
    stub.say("POST /api/v1/sendTx", no(code))
    async with stub.open() as venue:
        with pytest.raises(OrderNotFoundError):
            await venue.cancel_order(OrderRef(market_id=ETH, client_order_id="5"))


async def test_several_cancels_are_a_batch_and_one_by_one_where_one_is_gone(stub):
    """One that is gone must not keep the others standing."""
    refs = [OrderRef(market_id=ETH, client_order_id=str(n)) for n in (1, 2, 3)]
    async with stub.open() as venue:
        results = await venue.cancel_orders(refs)
        assert [each.status for each in results] == [CancelStatus.REQUESTED] * 3
        stub.say("POST /api/v1/sendTxBatch", no(21709, "order is inactive"))
        stub.say("POST /api/v1/sendTx", stub.take, no(21709, "order is inactive"), stub.take)
        results = await venue.cancel_orders(refs)
    assert [type(each).__name__ for each in results] == ["CancelResult", "OrderNotFoundError", "CancelResult"]


@pytest.mark.parametrize(("market", "attributes"), [(None, None), (ETH, {"5": 0})])
async def test_canceling_all_keeps_its_scope(stub, market, attributes):
    """Market 0 is a market; without one it is the account."""
    async with stub.open() as venue:
        await venue.cancel_all_orders(market)
    tx = stub.sent[0].tx
    assert (stub.sent[0].form["tx_type"], tx["TimeInForce"], tx["Time"], tx["L2TxAttributes"]) == (
        "16",
        0,
        0,
        attributes,
    )
    assert stub.requests("GET /api/v1/tx")[0].query == {"by": "hash", "value": hash_of(stub.sent[0].form["tx_info"])}


async def test_canceling_all_that_the_sequencer_refused_is_no_success(stub):
    """200 was not the end of it."""
    stub.say("GET /api/v1/tx", fate(status=0, event_info='{"ae":"account is in liquidation"}'))
    async with stub.open() as venue:
        with pytest.raises(OrderRejectedError, match="account is in liquidation"):
            await venue.cancel_all_orders()


async def test_a_fate_that_is_not_told_is_unknown(stub):
    """Pending for as long as we look."""
    stub.say("GET /api/v1/tx", no(21500, "transaction not found"), fate(status=1))
    async with stub.open(settle_timeout=0.2) as venue:
        with pytest.raises(OutcomeUnknownError, match="whether it was carried out"):
            await venue.cancel_all_orders()


# The dead man's switch


async def test_the_switch_is_a_scheduled_cancel_of_all(stub):
    """In milliseconds from now."""
    async with stub.open() as venue:
        before = datetime.now(UTC)
        await venue.set_dead_man_switch(timedelta(minutes=10))
    tx = stub.sent[0].tx
    assert tx["TimeInForce"] == 1
    assert -1 < tx["Time"] / 1000 - (before + timedelta(minutes=10)).timestamp() < 60


async def test_setting_the_switch_anew_takes_the_old_one_off_first(stub):
    """One at a time may stand: off, carried out, and only then on again."""
    account = {**REST["DetailedAccounts"]["accounts"][0], "cancel_all_time": 1798999999000}
    stub.say("GET /api/v1/account", {"code": 200, "accounts": [account]})
    async with stub.open() as venue:
        await venue.set_dead_man_switch(timedelta(minutes=10))
        await venue.set_dead_man_switch(None)
    assert [each.tx["TimeInForce"] for each in stub.sent] == [2, 1, 2]
    paths = [each.path.rpartition("/")[2] for each in stub.asked]
    assert paths[paths.index("sendTx") :][:3] == ["sendTx", "tx", "sendTx"]


async def test_switching_off_what_is_not_on_sends_nothing(stub):
    """The account says that none stands."""
    async with stub.open() as venue:
        await venue.set_dead_man_switch(None)
    assert not stub.sent


@pytest.mark.parametrize("after", [timedelta(minutes=4), timedelta(days=16)])
async def test_a_switch_outside_the_venues_window_is_refused_here(stub, after):
    """5 minutes to 15 days."""
    async with stub.open() as venue:
        with pytest.raises(ConfigError, match="5 minutes to 15 days"):
            await venue.set_dead_man_switch(after)
    assert not stub.sent
