"""
Drives the venue's own SDK (lighter-sdk: SignerClient, ApiClient and its WebSocket client), unmodified but for the
address, against a local Lighter: JSON on stdin says where it is and whose keys to use, JSON on stdout says what the SDK
saw. Runs in an environment of its own.
"""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

import lighter
from lighter import SignerClient
from testimony import TIMEOUT_S, testify

ETH = 0


async def main(request: dict[str, Any], seen: dict[str, Any]) -> None:
    seen["version"] = version("lighter-sdk")
    keys = {int(slot): key for slot, key in request["api_keys"].items()}
    signer = SignerClient(url=request["url"], account_index=request["account_index"], api_private_keys=keys)
    try:
        seen["check_client"] = await asyncio.to_thread(signer.check_client)
        await read_markets(signer.api_client, seen)
        await read_account(signer.api_client, request, seen)
        await follow(request, seen, signer)
        await collide(request, seen)
        wrong = SignerClient(url=request["url"], account_index=request["account_index"], api_private_keys={4: keys[5]})
        seen["wrong_key"] = await asyncio.to_thread(wrong.check_client)
        _, _, seen["wrong_signature"] = await order(wrong, 900, nonce=0, api_key_index=4)
        await wrong.close()
    finally:
        await signer.close()


async def read_markets(client: Any, seen: dict[str, Any]) -> None:
    orders, candles, funding = lighter.OrderApi(client), lighter.CandlestickApi(client), lighter.FundingApi(client)
    details = (await orders.order_book_details()).order_book_details
    seen["markets"] = [[row.symbol, row.market_id, row.size_decimals, row.price_decimals] for row in details]
    seen["order_books"] = len((await orders.order_books()).order_books)
    book = await orders.order_book_orders(market_id=ETH, limit=10)
    seen["book"] = [book.bids[0].price, book.asks[0].price]
    seen["recent"] = [row.size for row in (await orders.recent_trades(market_id=ETH, limit=5)).trades]
    rates = (await funding.funding_rates()).funding_rates
    seen["funding_rates"] = [[row.exchange, row.rate] for row in rates if row.market_id == ETH]
    rows = await candles.candles(
        market_id=ETH, resolution="1m", start_timestamp=0, end_timestamp=4_000_000_000_000, count_back=5
    )
    seen["candles"] = len(rows.c)
    seen["status"] = (await lighter.RootApi(client).status()).status


async def read_account(client: Any, request: dict[str, Any], seen: dict[str, Any]) -> None:
    accounts = lighter.AccountApi(client)
    found = (await accounts.account(by="index", value=str(request["account_index"]))).accounts[0]
    seen["account"] = [found.index, found.collateral, found.l1_address]
    same = await accounts.accounts_by_l1_address(l1_address=request["l1_address"])
    seen["sub_accounts"] = [row.index for row in same.sub_accounts]
    keys = (await accounts.apikeys(account_index=request["account_index"], api_key_index=255)).api_keys
    seen["keys"] = [key.api_key_index for key in keys]
    try:
        await accounts.account(by="address", value=request["l1_address"])
    except (ValueError, lighter.exceptions.BadRequestException) as error:
        seen["by_address"] = type(error).__name__


async def order(client: Any, number: int, **options: Any) -> Any:
    fields = {"base_amount": 1000, "price": 390_000, "is_ask": False, "order_type": 0, "time_in_force": 1, **options}
    return await client.create_order(market_index=ETH, client_order_index=number, **fields)


async def trade(client: Any, request: dict[str, Any], seen: dict[str, Any]) -> None:
    results: dict[str, Any] = {}
    names = ("limit", "modify", "cancel", "market", "post_only", "stop", "cancel_all", "schedule", "abort", "leverage")
    later = 4_102_444_800_000  # in 2100: beyond what may be scheduled
    for name, call in zip(
        names,
        (
            lambda: order(client, 1),
            lambda: client.modify_order(market_index=ETH, order_index=1, base_amount=2000, price=391_000),
            lambda: client.cancel_order(market_index=ETH, order_index=1),
            lambda: client.create_market_order(
                market_index=ETH, client_order_index=2, base_amount=1000, avg_execution_price=420_000, is_ask=False
            ),
            lambda: order(client, 3, time_in_force=2, price=420_000),
            lambda: client.create_sl_order(
                market_index=ETH,
                client_order_index=4,
                base_amount=1000,
                trigger_price=300_000,
                price=290_000,
                is_ask=True,
                reduce_only=True,
            ),
            lambda: client.cancel_all_orders(time_in_force=0, timestamp_ms=0),
            lambda: client.cancel_all_orders(time_in_force=1, timestamp_ms=later),
            lambda: client.cancel_all_orders(time_in_force=2, timestamp_ms=0),
            lambda: client.update_leverage(ETH, client.CROSS_MARGIN_MODE, 10),
        ),
        strict=True,
    ):
        _, answer, error = await call()
        results[name] = error or answer.code
    seen["trade"] = results
    token, _ = client.create_auth_token_with_expiry()
    orders = lighter.OrderApi(client.api_client)
    over = await orders.account_inactive_orders(account_index=request["account_index"], limit=50, authorization=token)
    seen["orders"] = {row.client_order_index: row.status for row in over.orders}
    active = await orders.account_active_orders(
        account_index=request["account_index"], market_id=ETH, authorization=token
    )
    seen["active"] = len(active.orders)
    fills = await orders.trades(
        sort_by="timestamp", limit=10, account_index=request["account_index"], authorization=token
    )
    seen["fills"] = [[row.size, row.price, row.taker_fee, row.is_maker_ask] for row in fills.trades]
    position = (
        (await lighter.AccountApi(client.api_client).account(by="index", value=str(request["account_index"])))
        .accounts[0]
        .positions[0]
    )
    seen["position"] = [position.symbol, position.sign, position.position, position.initial_margin_fraction]
    first = (await client.tx_api.next_nonce(account_index=request["account_index"], api_key_index=6)).nonce
    batch = [
        client.sign_create_order(ETH, 20 + n, 1000, 380_000 + n, 0, 0, 1, nonce=first + n, api_key_index=6)
        for n in range(2)
    ]
    answer = await client.send_tx_batch([made[0] for made in batch], [made[1] for made in batch])
    seen["batch"] = [answer.code, [made[2] for made in batch] == answer.tx_hash]


async def follow(request: dict[str, Any], seen: dict[str, Any], signer: Any) -> None:
    """Trade while the SDK's WebSocket client listens, in a thread-free way: its callbacks only note."""
    books: list[Any] = []
    accounts: list[Any] = []
    client = lighter.WsClient(
        ws_url=request["ws_url"],
        order_book_ids=[ETH],
        account_ids=[request["account_index"]],
        on_order_book_update=lambda market, book: books.append([market, len(book["bids"]), len(book["asks"])]),
        on_account_update=lambda account, body: accounts.append(body),
    )
    listening = asyncio.create_task(client.run_async())
    try:
        await until(lambda: books and accounts)
        await trade(signer, request, seen)
        await until(lambda: any(held(body) == "0.1000" for body in accounts))
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    seen["ws_books"] = [books[0][0], books[0][1] > 0]
    seen["ws_accounts"] = len(accounts) > 1


def held(body: Any) -> str | None:
    """Return the ETH position that an account's frame shows."""
    return body.get("positions", {}).get("0", {}).get("position")


async def until(condition: Any) -> None:
    """Wait for what a callback of the SDK notes."""
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - its callbacks set no event
            await asyncio.sleep(0.01)


async def collide(request: dict[str, Any], seen: dict[str, Any]) -> None:
    """Two clients on one key: the SDK's own nonce manager gets over the refusal of the one that is behind."""
    keys = {4: request["api_keys"]["4"]}
    made = [
        SignerClient(url=request["url"], account_index=request["account_index"], api_private_keys=dict(keys))
        for _ in range(2)
    ]
    steps = []
    try:
        for number, client in enumerate((made[0], made[1], made[0], made[0]), 40):
            _, _, error = await order(client, number)
            steps.append("taken" if error is None else ("invalid nonce" if "invalid nonce" in error else error))
    finally:
        for client in made:
            await client.close()
    seen["collision"] = steps


if __name__ == "__main__":
    testify(main)
