"""
The venue's own SDK, unmodified but for its address, checks its keys, reads, trades, streams and gets over a nonce that
is another's, against the local Lighter.

Where lighter-sdk 1.1.8 shows itself:

- an address that names no network of the venue's is signed for chain 304, which is the local venue's default;
- ``account(by=...)`` is sent as it is given: the venue refuses ``address`` and takes ``l1_address``;
- a body code in a refusal reaches the caller as text only: ``code=21104 message='invalid nonce' ...``;
- its WebSocket client answers nothing but pings and keeps book sides unsorted;
- grouped orders are signed and sent, and refused here: the local venue does not serve them.
"""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.clock import SystemClock
from perpkit.core.models.order import Side
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.lighter import LocalLighter, Settings
from tests.sim.outside import run_outside

pytestmark = pytest.mark.timeout(120)


async def test_the_sdk_trades_and_streams_on_the_local_venue(lighter_python):
    """Every transaction was signed by the SDK's library and verified here; every refusal has the venue's code."""
    async with LocalLighter(seed=11, clock=SimClock.real_time(), settings=Settings(limits_scale=0)) as sim:
        sim.control.quote("ETH")
        sim.control.trade("ETH", Side.BUY, Decimal("0.25"))
        account = sim.accounts[0]
        request = {"url": sim.url, "ws_url": sim.ws_url, **account.reveal()}
        seen = await run_outside(lighter_python, "lighter_client.py", request)
        sim.control.check_invariants()
        cash = sim.exchange.account(str(account.account_index)).cash
        open_orders = {order.client_id for order in sim.exchange.open_orders(str(account.account_index))}
    assert seen["version"] == "1.1.8"
    assert seen["check_client"] is None
    assert "does not match" in seen["wrong_key"]
    assert "code=21120" in seen["wrong_signature"]
    assert seen["markets"][:2] == [["ETH", 0, 4, 2], ["BTC", 1, 5, 1]]
    assert (seen["order_books"], seen["status"]) == (5, 200)
    assert (seen["book"], seen["recent"]) == (["3999.99", "4000.01"], ["0.2500"])
    assert seen["funding_rates"][-1] == ["lighter", 9.6e-05]
    assert len(seen["funding_rates"]) == 4
    assert seen["account"] == [account.account_index, "100000.000000", account.l1_address]
    assert (seen["sub_accounts"], seen["keys"]) == ([account.account_index], [4, 5, 6])
    assert seen["by_address"] == "BadRequestException"
    taken = {"limit", "modify", "cancel", "market", "post_only", "stop", "cancel_all", "abort", "leverage"}
    assert {name for name, answer in seen["trade"].items() if answer == 200} == taken
    assert "code=21714" in seen["trade"]["schedule"]
    assert seen["orders"] == {"1": "canceled", "2": "filled", "3": "canceled-post-only", "4": "canceled"}
    assert seen["active"] == 0
    assert seen["fills"] == [["0.1000", "4000.01", 280, True]]
    assert seen["position"] == ["ETH", 1, "0.1000", "10.00"]
    assert seen["batch"] == [200, True]
    assert seen["ws_books"] == ["0", True]
    assert seen["ws_accounts"] is True
    assert seen["collision"] == ["taken", "taken", "invalid nonce", "taken"]
    assert open_orders == {"20", "21", "40", "41", "43"}
    assert cash == Decimal(100_000) - Decimal("400.001") * Decimal("0.00028")


async def test_the_sdk_minds_an_accounts_other_affairs_on_the_local_venue(lighter_python):
    """
    A scheduled cancel-all, an isolated position's margin, every kind of order, numbers of either side, the fates of
    transactions, an hour of funding, and the nonce manager that asks each time: as ledger and documentation have it.
    The venue lives two hours ago, so that moving its clock on leaves transactions dated by the machine's good.
    """
    wall = SystemClock()
    clock = SimClock(wall.now() - timedelta(hours=2), wall=wall)
    async with LocalLighter(seed=11, clock=clock, settings=Settings(limits_scale=0)) as sim:
        for market, price in (("ETH", 4000), ("BTC", 80_000)):
            sim.control.set_price(market, index=Decimal(price), mark=Decimal(price))
            sim.control.quote(market, levels=10, size=Decimal(5))
        sim.control.set_funding_rate("ETH", Decimal("0.0001"))
        account = sim.accounts[0]
        me = str(account.account_index)
        request = {"url": sim.url, "ws_url": sim.ws_url, **account.reveal()}
        running = asyncio.create_task(run_outside(lighter_python, "lighter_affairs_client.py", request))
        while not running.done() and sim.exchange.order_by_client_id(me, "140") is None:
            await asyncio.wait([running], timeout=0.02)
        sim.control.advance(timedelta(hours=1))
        seen = await running
        sim.control.check_invariants()
        [paid] = [each for each in sim.exchange.funding_payments(me) if each.market == "ETH"]
        isolated = sim.exchange.position(me, "BTC")
    assert seen["switch"][0:2] == [200, 200]
    assert "code=21712" in seen["switch"][2]
    assert (seen["switch"][3], seen["after_switch"]) == (200, {"100": "open"})
    assert seen["margins"][:4] == [200] * 4
    assert "code=21132" in seen["margins"][4]
    # 0.01 BTC at 80,000 and a fifth of it as margin; then 100 in and 50 out.
    margin = isolated.size * isolated.entry_price / 5
    assert [Decimal(each) for each in seen["allocated"]] == [margin + 100, margin + 50]
    assert seen["isolated"] == [1, "0.01000", "20.00"]
    kinds = dict(seen["kinds"])
    taken, twice = kinds.pop("twice")
    assert taken == 200
    assert "code=21728" in twice
    assert "code=21505" in kinds.pop("grouped")
    assert set(kinds.values()) == {200}
    assert seen["statuses"] == {
        "120": "filled",
        "121": "filled",
        "122": "pending",
        "123": "pending",
        "124": "canceled-not-enough-liquidity",
        "125": "open",
        "126": "open",
        "127": "canceled-self-trade",
        "128": "filled",
    }
    assert seen["modified"] == [True, "0.2000", "3910.00"]
    assert (seen["by_number"], seen["gone"]) == ([200] * 3, {"130": "canceled"})
    assert seen["fates"] == [[14, 2, ""], [15, 0, "given order is not an active order"]]
    assert seen["newest"] == [15, 14]
    assert [[row[0], Decimal(row[1]), row[2]] for row in seen["paid"]] == [[0, paid.amount, "long"]]
    assert seen["fees"] == [40, 280]
    assert seen["asking_each_time"] == [200] * 4
