"""
Drives the venue's own SDK (x10-python-trading-starknet), unmodified, against a local Extended: JSON on stdin says where
it is and whose keys to use, JSON on stdout says what the SDK saw. Runs in an environment of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from testimony import TIMEOUT_S, testify
from x10.clients.rest import RestApiClient
from x10.clients.stream import StreamClient
from x10.clients.streamrpc.streamrpc_client import StreamRpcClient
from x10.clients.streamrpc.subscription_params import AccountParams, OrderbooksParams, PricesParams, TradesParams
from x10.config import MAINNET_CONFIG
from x10.core.stark_account import StarkPerpetualAccount
from x10.errors import ApiError, ApiNotAuthorizedError
from x10.models.order import OrderPriceType, OrderSide, OrderTpslType, OrderTriggerPriceType, OrderType, TimeInForce
from x10.signing.order_object import OrderTpslTriggerParam, create_order_object
from x10.version import SDK_VERSION

MARKET = "BTC-USD"
FEE = Decimal("0.00025")


async def main(request: dict[str, Any], seen: dict[str, Any]) -> None:
    seen["version"] = SDK_VERSION
    endpoints = replace(
        MAINNET_CONFIG.endpoints,
        api_base_url=request["url"],
        api_base_order_management_url=request["url"],
        stream_url=request["ws_url"],
        stream_rpc_url=request["rpc_url"],
    )
    config = replace(MAINNET_CONFIG, endpoints=endpoints)
    account = StarkPerpetualAccount(
        vault=request["vault"],
        private_key=request["private_key"],
        public_key=request["public_key"],
        api_key=request["api_key"],
    )
    async with RestApiClient(config, account) as client:
        await sign_in(client, config, account, seen)
        await read_markets(client, seen)
        await trade(client, config, account, seen)
        await follow_v1(client, config, account, seen)
        await follow_v2(client, config, account, str(request["account_id"]), seen)
        seen["balance"] = str((await client.account.get_balance()).data.balance)


async def sign_in(client: Any, config: Any, account: Any, seen: dict[str, Any]) -> None:
    info = (await client.account.get_account()).data
    seen["account"] = {"id": info.id, "vault": info.l2_vault, "key": info.l2_key}
    stranger = StarkPerpetualAccount(
        vault=account.vault, private_key="0x1", public_key=hex(account.public_key), api_key="no-such-key"
    )
    async with RestApiClient(config, stranger) as other:
        try:
            await other.account.get_account()
        except ApiNotAuthorizedError:
            seen["stranger"] = "not authorized"
    seen["accounts"] = len((await client.account.get_accounts()).data)
    seen["client"] = (await client.account.get_client()).data.id


async def read_markets(client: Any, seen: dict[str, Any]) -> None:
    markets = await client.info.get_markets_dict()
    seen["markets"] = sorted(markets)
    seen["tick"] = str(markets[MARKET].trading_config.min_price_change)
    stats = (await client.info.get_market_statistics(market_name=MARKET)).data
    seen["mark_price"] = str(stats.mark_price)
    book = (await client.info.get_orderbook_snapshot(market_name=MARKET)).data
    seen["book"] = [str(book.bid[0].price), str(book.ask[0].price)]
    candles = await client.info.get_candles_history(
        market_name=MARKET, candle_type="mark-prices", interval="PT1M", limit=5
    )
    seen["candles"] = len(candles.data)
    now = datetime.now(UTC)
    rates = await client.info.get_funding_rates_history(
        market_name=MARKET, start_time=now - timedelta(hours=1), end_time=now
    )
    seen["funding_rates"] = len(rates.data)
    seen["assets"] = len((await client.info.get_assets()).data)
    seen["asset_price"] = str((await client.info.get_asset_price(asset_name="ETH")).data)
    seen["settings"] = (await client.info.get_settings()).data is not None


async def place(client: Any, external_id: str, price: str, **options: Any) -> Any:
    fields = {
        "market_name": MARKET,
        "amount_of_synthetic": Decimal("0.01"),
        "price": Decimal(price),
        "side": OrderSide.BUY,
        "taker_fee": FEE,
        "external_id": external_id,
        **options,
    }
    return (await client.place_order(**fields)).data


async def trade(client: Any, config: Any, account: Any, seen: dict[str, Any]) -> None:
    placed = await place(client, "x10-1", "80000", post_only=True)
    seen["placed"] = placed.external_id
    seen["fetched"] = (await client.account.get_order_by_id(placed.id)).data.status
    seen["by_external_id"] = [o.id == placed.id for o in (await client.account.get_order_by_external_id("x10-1")).data]
    replaced = await place(client, "x10-2", "80001", post_only=True, previous_order_id="x10-1")
    seen["open_after_replace"] = [o.external_id for o in (await client.account.get_open_orders()).data]
    before = (await client.account.get_order_by_id(placed.id)).data
    seen["replaced"] = [before.status, before.status_reason]
    await client.orders.cancel_order(replaced.id)
    third = await place(client, "x10-3", "80002")
    await client.orders.cancel_order_by_external_id("x10-3")
    seen["canceled"] = (await client.account.get_order_by_id(third.id)).data.status
    await place(client, "x10-4", "80003")
    await client.orders.mass_cancel(markets=[MARKET])
    seen["open_after_cancels"] = len((await client.account.get_open_orders()).data)
    seen["refused"] = await refusal(place(client, "x10-5", "99999"))
    await market_order(client, config, account, "x10-6", OrderSide.BUY)
    fills = (await client.account.get_trades(market_names=[MARKET])).data
    seen["fill"] = [fills[0].side, str(fills[0].qty), fills[0].is_taker, fills[0].trade_type]
    (position,) = (await client.account.get_positions(market_names=[MARKET])).data
    seen["position"] = [position.side, str(position.size), position.status]
    await protect(client, config, account, seen)
    await market_order(client, config, account, "x10-7", OrderSide.SELL, reduce_only=True)
    seen["flat"] = len((await client.account.get_positions()).data)
    history = (await client.account.get_positions_history()).data
    seen["past_position"] = [history[0].exit_type, history[0].side]
    orders = (await client.account.get_orders_history(limit=100)).data
    seen["history"] = sorted({order.status for order in orders})
    await client.account.update_leverage(MARKET, Decimal(10))
    seen["leverage"] = str((await client.account.get_leverage(market_names=[MARKET])).data[0].leverage)
    seen["fees"] = [str(fee.taker_fee_rate) for fee in (await client.account.get_fees(market_names=[MARKET])).data]
    seen["spot_balances"] = len((await client.account.get_spot_balances()).data)
    seen["operations"] = [operation.type for operation in (await client.account.asset_operations()).data]


async def market_order(client: Any, config: Any, account: Any, name: str, side: Any, **options: Any) -> None:
    """``RestApiClient.place_order`` can only send LIMIT orders."""
    market = (await client.info.get_markets_dict())[MARKET]
    order = create_order_object(
        account=account,
        market=market,
        order_type=OrderType.MARKET,
        amount_of_synthetic=Decimal("0.01"),
        price=Decimal(86000 if side is OrderSide.BUY else 82000),
        side=side,
        time_in_force=TimeInForce.IOC,
        starknet_domain=config.signing.starknet_domain,
        order_external_id=name,
        taker_fee=FEE,
        **options,
    )
    await client.orders.place_order(order)


async def protect(client: Any, config: Any, account: Any, seen: dict[str, Any]) -> None:
    """A TP/SL for the whole position, each leg with its own signature."""
    market = (await client.info.get_markets_dict())[MARKET]
    legs = {
        "take_profit": OrderTpslTriggerParam(
            trigger_price=Decimal(90000),
            trigger_price_type=OrderTriggerPriceType.LAST,
            price=Decimal(89500),
            price_type=OrderPriceType.LIMIT,
        ),
        "stop_loss": OrderTpslTriggerParam(
            trigger_price=Decimal(78000),
            trigger_price_type=OrderTriggerPriceType.MARK,
            price=Decimal(76000),
            price_type=OrderPriceType.MARKET,
        ),
    }
    order = create_order_object(
        account=account,
        market=market,
        order_type=OrderType.TPSL,
        amount_of_synthetic=Decimal(0),
        price=Decimal(0),
        side=OrderSide.SELL,
        starknet_domain=config.signing.starknet_domain,
        order_external_id="x10-tpsl",
        taker_fee=FEE,
        reduce_only=True,
        tp_sl_type=OrderTpslType.POSITION,
        **legs,
    )
    await client.orders.place_order(order)
    (shown,) = (await client.account.get_open_orders()).data
    seen["tpsl"] = [shown.type, shown.status, shown.tp_sl_type, str(shown.take_profit.trigger_price), shown.price]


async def refusal(call: Any) -> str:
    try:
        await call
    except ApiError as exc:
        return str(exc)
    return ""


async def follow_v1(client: Any, config: Any, account: Any, seen: dict[str, Any]) -> None:
    streams = StreamClient(api_url=config.endpoints.stream_url)
    async with streams.subscribe_to_account_updates(account.api_key) as updates:
        sections = [await asyncio.wait_for(updates.recv(), TIMEOUT_S) for _ in range(3)]
        seen["v1_snapshots"] = [message.type for message in sections]
        async with streams.subscribe_to_orderbooks(MARKET) as book, streams.subscribe_to_public_trades(MARKET) as tape:
            first = await asyncio.wait_for(book.recv(), TIMEOUT_S)
            seen["v1_book"] = [first.type, first.seq, len(first.data.bid) > 0]
            await market_order(client, config, account, "x10-v1", OrderSide.BUY)
            delta = await asyncio.wait_for(book.recv(), TIMEOUT_S)
            seen["v1_delta"] = [delta.type, delta.seq]
            trades = await asyncio.wait_for(tape.recv(), TIMEOUT_S)
            seen["v1_trade"] = [trades.data[0].market, trades.data[0].side]
        found: dict[str, Any] = {}
        while not {"TRADE", "POSITION", "BALANCE"} <= found.keys():
            message = await asyncio.wait_for(updates.recv(), TIMEOUT_S)
            found[str(message.type)] = message.data
        seen["v1_fill"] = str(found["TRADE"].trades[0].qty)
        seen["v1_position"] = found["POSITION"].positions[0].side


async def follow_v2(client: Any, config: Any, account: Any, account_id: str, seen: dict[str, Any]) -> None:
    news: asyncio.Queue[Any] = asyncio.Queue()
    breaks: list[Any] = []
    rpc = StreamRpcClient(api_url=config.endpoints.stream_rpc_url, on_sequence_break=lambda *args: breaks.append(args))
    await rpc.connect()
    try:
        topics = [
            OrderbooksParams(market=MARKET),
            OrderbooksParams(market=MARKET, depth="1"),
            TradesParams(market=MARKET),
            PricesParams(price_type="mark", market=MARKET),
            AccountParams(account=account_id, api_key=account.api_key),
        ]
        for params in topics:
            await rpc.subscribe(params=params, handler=news.put_nowait)
        seen["v2_subscriptions"] = sorted(await rpc.list_subscriptions())
        await rpc.ping()
        await market_order(client, config, account, "x10-v2", OrderSide.SELL, reduce_only=True)
        wanted = {"ORDERBOOKS.SNAPSHOT", "ORDERBOOKS.DELTA", "TRADES", "PRICES.MP", "ACCOUNT.ORDER", "ACCOUNT.TRADE"}
        kinds: set[str] = set()
        while not wanted <= kinds:
            message = await asyncio.wait_for(news.get(), TIMEOUT_S)
            kinds.add(message.type)
        seen["v2_kinds"] = sorted(kinds & wanted)
        seen["v2_breaks"] = breaks
    finally:
        await rpc.close()


if __name__ == "__main__":
    testify(main)
