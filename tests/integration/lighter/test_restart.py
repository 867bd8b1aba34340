"""A program that trades on Lighter is killed in the middle, and another one takes over, in real time."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from decimal import Decimal

import pytest

import perpkit
from perpkit.core.middleware.journal import Journal
from perpkit.core.models import OrderRef, OrderStatus, Side
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.lighter import LocalLighter
from tests.integration.conftest import IN_TIME, SEED, eventually
from tests.integration.lighter.conftest import SEND, account_id, true_orders

TRADER = """
import asyncio, json, sys
import perpkit
from perpkit.core.middleware.journal import Journal

async def main():
    settings = json.loads(sys.argv[1])
    journal = Journal(sys.argv[2])
    async with perpkit.open_venue("lighter", "local", environ={}, middleware=[journal], **settings) as venue:
        await venue.fetch_account()
        print("ready", flush=True)
        for number in range(1000):
            intent = perpkit.OrderIntent(
                market_id="ETH-USDC-PERP", side="buy", size="0.01", price=str(3900 - number),
                client_order_id=f"bot:{number}",
            )
            await venue.place_order(intent)
            print(number, flush=True)

asyncio.run(main())
"""


@pytest.fixture
async def exchange():
    """A local Lighter in real time: another process has a clock of its own."""
    print(f"seed {SEED}")
    async with LocalLighter(seed=SEED, accounts=1, clock=SimClock.real_time()) as local:
        local.control.quote("ETH", levels=5, size=Decimal(5))
        yield local
        local.exchange.check_invariants()


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "not taken"])
async def test_a_killed_trader_is_followed_by_one_that_knows_its_orders(exchange, tmp_path, taken):
    """
    The fourth order is on its way and hangs, taken or not, when the process is killed. The next one reads orders under
    their texts, finds out what the journal left open, cancels by text, and places the next order.
    """
    me = exchange.accounts[0]
    ids, orders = tmp_path / "ids.jsonl", tmp_path / "orders.jsonl"
    settings = {
        "rest_url": exchange.url,
        "ws_url": exchange.ws_url,
        "account_index": me.account_index,
        "api_key_index": me.api_key_index,
        "api_private_key": me.private_key,
        "tier": "premium",
        "client_ids": str(ids),
    }
    hang = exchange.control.inject("hang_after" if taken else "hang_before", match=SEND, skip=3)
    trader = await asyncio.create_subprocess_exec(
        sys.executable, "-c", TRADER, json.dumps(settings), str(orders), stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(IN_TIME * 3):
            told = [(await trader.stdout.readline()).decode().strip() for _ in range(4)]
            assert told == ["ready", "0", "1", "2"]
            await eventually(lambda: hang.hits, "the fourth order to be on its way")
    finally:
        trader.send_signal(signal.SIGKILL)
        await trader.wait()
    journal = Journal(orders)
    assert [each.order.client_order_id for each in journal.unresolved] == ["bot:3"]
    async with perpkit.open_venue(
        "lighter", "local", environ={}, middleware=[journal], limits=RateLimiterRegistry(), **settings
    ) as venue:
        standing = await venue.fetch_open_orders()
        names = {f"bot:{number}" for number in range(4 if taken else 3)}
        assert {each.client_order_id for each in standing} == names
        # The read told what became of the one that was taken; the other may still arrive.
        assert [each.order.client_order_id for each in journal.unresolved] == ([] if taken else ["bot:3"])
        await venue.cancel_order(OrderRef(market_id="ETH-USDC-PERP@lighter", client_order_id="bot:1"))
        await eventually(lambda: sum(each.is_closed for each in true_orders(exchange)) == 1, "the cancel")
        gone = await venue.fetch_order(OrderRef(market_id="ETH-USDC-PERP@lighter", client_order_id="bot:1"))
        assert (gone.client_order_id, gone.status) == ("bot:1", OrderStatus.CANCELED)
        async with venue.stream(["fills"]) as events:
            async for event in events:
                if isinstance(event, perpkit.StreamStatus) and event.state == "live":
                    # Somebody sells into the best of our orders; the fill bears the text of the process before.
                    exchange.control.clear_liquidity("ETH")
                    exchange.control.trade("ETH", Side.SELL, Decimal("0.01"))
                if isinstance(event, perpkit.Fill):
                    break
        assert event.client_order_id == "bot:0"
        await venue.place_order(
            perpkit.OrderIntent(
                market_id="ETH-USDC-PERP", side=Side.BUY, size="0.01", price="3800", client_order_id="next"
            )
        )
    truth = exchange.exchange.orders(account_id(exchange))
    assert len(truth) == len(names) + 1
    assert len({each.client_id for each in truth}) == len(truth)
