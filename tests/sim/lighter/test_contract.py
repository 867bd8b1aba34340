"""Every answer of every route fits the venue's contract, field for field."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from perpkit.sim.venues.lighter import LocalLighter
from perpkit.sim.venues.lighter.server import ROUTES

from . import contract_check
from .harness import V1, Client, Signer

PATHS = contract_check.OPENAPI["paths"]


def test_every_route_is_in_the_contract():
    """No path of our own, and none with another method."""
    for route in ROUTES:
        assert route.method.lower() in PATHS[route.path], route.path


@pytest.fixture
async def busy():
    """A venue with history: fills, rested, triggered and over orders, an isolated position, two hours of funding."""
    async with LocalLighter(seed=3) as sim, Client(sim, Signer(sim, sim.accounts[0])) as trader:
        sim.control.quote("ETH")
        await trader.leverage(500, mode=1)
        await trader.take()
        await trader.take(IsAsk=1, Price=390_000, BaseAmount=500)
        await trader.place()
        await trader.place(Type=2, TimeInForce=0, IsAsk=1, ReduceOnly=1, TriggerPrice=300_000, Price=290_000)
        await trader.cancel(await trader.place())
        sim.control.advance(timedelta(hours=2))
        yield trader


def queries(trader):
    """Return a query for each GET."""
    now = trader.sim.venue.now_ms()
    window = {"market_id": 0, "start_timestamp": now - 7_200_000, "end_timestamp": now + 1, "count_back": 0}
    mine = {"account_index": trader.index}
    by_index = {"by": "index", "value": str(trader.index)}
    hashes = trader.sim.venue.records.transactions
    return {
        f"{V1}/orderBookOrders": {"market_id": 0, "limit": 50},
        f"{V1}/recentTrades": {"market_id": 0, "limit": 50},
        f"{V1}/trades": {"sort_by": "timestamp", "limit": 50, **mine},
        f"{V1}/candles": {"resolution": "1h", **window},
        f"{V1}/markPriceCandles": {"resolution": "1h", **window},
        f"{V1}/fundings": {"resolution": "1h", **window},
        f"{V1}/account": by_index,
        f"{V1}/accountMetadata": by_index,
        f"{V1}/accountsByL1Address": {"l1_address": trader.signer.account.l1_address},
        f"{V1}/apikeys": mine,
        f"{V1}/nextNonce": {"api_key_index": 4, **mine},
        f"{V1}/accountLimits": mine,
        f"{V1}/accountActiveOrders": mine,
        f"{V1}/accountInactiveOrders": {"limit": 50, **mine},
        f"{V1}/accountOrders": {"client_order_indexes": "1001,1002", **mine},
        f"{V1}/positionFunding": {"limit": 50, **mine},
        f"{V1}/tx": {"by": "hash", "value": hashes[0].hash},
        f"{V1}/accountTxs": {"by": "account_index", "value": str(trader.index), "limit": 50},
    }


async def test_every_answer_fits_the_contract_and_holds_something(busy):
    """The client of these tests checks each; no list of an account with history is empty."""
    given = queries(busy)
    for route in ROUTES:
        if route.method == "GET":
            answer = await busy.get(route.path, **given.get(route.path, {}))
            assert answer.status == 200, (route.path, answer)
            if route.path != f"{V1}/announcement":
                lists = [value for value in answer.body.values() if isinstance(value, list)]
                assert not lists or any(lists), route.path


async def test_the_check_itself_notices_what_does_not_fit(busy):
    """A field too many, one too few, a number for text."""
    body = (await busy.get("accountActiveOrders", account_index=busy.index)).body
    path = f"{V1}/accountActiveOrders"
    assert not contract_check.rest_errors("GET", path, 200, body)
    for change in ({"surprise": 1}, {"price": 3990}, {"status": "resting"}):
        broken = copy.deepcopy(body)
        broken["orders"][0].update(change)
        assert contract_check.rest_errors("GET", path, 200, broken), change
    del body["orders"][0]["is_ask"]
    assert contract_check.rest_errors("GET", path, 200, body)
