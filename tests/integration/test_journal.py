"""A program that is killed while its order is under way, and started again with the same journal."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import perpkit
from perpkit.core.middleware import Journal
from perpkit.core.models import OrderStatus
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.paradex import LocalParadex
from tests.integration.conftest import BTC, IN_TIME, SEED, eventually
from tests.integration.helpers import true_orders

PROGRAM = """
import asyncio, sys
import perpkit
from perpkit.core.middleware import Journal

async def main():
    rest_url, ws_url, account, journal = sys.argv[1:]
    async with perpkit.open_venue(
        "paradex", "local", rest_url=rest_url, ws_url=ws_url, account=account, private_key=sys.stdin.readline(),
        environ={}, middleware=[Journal(journal)],
    ) as venue:
        await venue.place_order(perpkit.OrderIntent(
            market_id="BTC-USD-PERP", side=perpkit.Side.BUY, size="0.1", price="99000", client_order_id="mine-1",
        ))

asyncio.run(main())
"""


async def test_an_order_of_a_killed_program_is_found_again_and_not_sent_twice(tmp_path: Path):
    """The exchange took it and the program died before it heard of that; the next one knows it from the journal."""
    path = tmp_path / "orders.jsonl"
    print(f"seed {SEED}")
    # The program is another process: only real time is shared.
    async with LocalParadex(seed=SEED, accounts=1, clock=SimClock.real_time()) as local:
        me = local.accounts[0]
        local.control.inject("hang_after", match="POST /v1/orders")
        arguments = (local.url, local.ws_url, me.address, str(path))
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, *arguments, stdin=asyncio.subprocess.PIPE
        )
        try:
            program.stdin.write(me.private_key.encode() + b"\n")
            await program.stdin.drain()
            await eventually(lambda: program.returncode is not None or true_orders(local), "the order to arrive")
        finally:
            program.kill()
            await program.wait()

        journal = Journal(path)
        assert [each.order.client_order_id for each in journal.unresolved] == ["mine-1"]
        async with (
            asyncio.timeout(IN_TIME),
            perpkit.open_venue(
                "paradex", "local", rest_url=local.url, ws_url=local.ws_url, account=me.address,
                private_key=me.private_key, environ={}, middleware=[journal],
            ) as venue,
        ):  # fmt: skip
            (found,) = await journal.recover(venue)
        (true,) = true_orders(local)
        assert (found.venue_order_id, found.client_order_id) == (true.id, "mine-1")
        assert (found.status, found.market_id) == (OrderStatus.OPEN, f"{BTC}@paradex")
        assert journal.unresolved == []
