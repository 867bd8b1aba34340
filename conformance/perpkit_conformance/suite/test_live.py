"""On the venue's testnet, on request (``--live testnet``); read-only unless ``--live-trade`` allows one order."""

from __future__ import annotations

import pytest

from perpkit.core.models import OrderStatus
from perpkit_conformance.live import Live, read_everything, try_one_order


@pytest.mark.rule("testnet-evidence")
async def test_every_read_works_on_the_testnet(live: Live) -> None:
    """Each claimed read is answered by the real venue, and what was sent is in its contract."""
    found = await read_everything(live.venue, live.market)
    assert found["fetch_markets"] > 0
    assert not live.breaches(), "\n".join(map(str, live.breaches()))


@pytest.mark.rule("testnet-order")
@pytest.mark.needs("place_order", "cancel_order")
async def test_one_order_goes_there_and_back_on_the_testnet(live_trading: Live) -> None:
    """The smallest post-only order is placed, seen and taken away; nothing is left open."""
    order = await try_one_order(live_trading.venue, live_trading.market, live_trading.permit)
    assert order.status in {OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.FILLED}
    assert order.client_order_id not in {each.client_order_id for each in await live_trading.venue.fetch_open_orders()}
    assert not live_trading.breaches(), "\n".join(map(str, live_trading.breaches()))
