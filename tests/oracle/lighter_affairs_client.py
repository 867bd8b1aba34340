"""
The second half of the venue's own SDK against a local Lighter: what an account does beside placing orders. JSON on
stdin says where it is and whose keys to use, JSON on stdout says what the SDK saw. Runs in an environment of its own.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import lighter
from lighter import SignerClient
from lighter.nonce_manager import NonceManagerType
from testimony import TIMEOUT_S, testify

ETH, BTC = 0, 1


class Affairs:
    """One account's, by the SDK's clients."""

    def __init__(self, request: dict[str, Any], signer: SignerClient, seen: dict[str, Any]) -> None:
        self.signer = signer
        self.account = request["account_index"]
        self.seen = seen
        self.orders = lighter.OrderApi(signer.api_client)
        self.accounts = lighter.AccountApi(signer.api_client)
        self.transactions = lighter.TransactionApi(signer.api_client)
        self.token, _ = signer.create_auth_token_with_expiry()

    async def order(self, number: int, market: int = ETH, **options: Any) -> Any:
        usual = {"base_amount": 1000, "price": 390_000, "is_ask": False, "order_type": 0, "time_in_force": 1}
        fields = {"market_index": market, "client_order_index": number, **usual, **options}
        return outcome(await self.signer.create_order(**fields))

    async def position(self, market: int) -> Any:
        found = (await self.accounts.account(by="index", value=str(self.account))).accounts[0]
        return next(row for row in found.positions if row.market_id == market)

    async def statuses(self, *numbers: int) -> dict[int, str]:
        listed = ",".join(map(str, numbers))
        found = await self.orders.account_orders(self.token, listed, account_index=self.account)
        return {row.client_order_index: row.status for row in found.orders}

    async def switch(self) -> None:
        """A cancel of everything: scheduled, refused a second time, called off; then scheduled for one market."""
        due = int(time.time() * 1000) + 600_000
        steps = [await self.order(100)]
        for kind, at in ((1, due), (1, due), (2, 0)):
            steps.append(outcome(await self.signer.cancel_all_orders(time_in_force=kind, timestamp_ms=at)))
        self.seen["switch"] = steps
        self.seen["after_switch"] = await self.statuses(100)

    async def margins(self) -> None:
        """An isolated position, money into it and out of it, and a mode that can't be changed meanwhile."""
        signer = self.signer
        steps = [outcome(await signer.update_leverage(BTC, signer.ISOLATED_MARGIN_MODE, 5))]
        answer = await signer.create_market_order(
            market_index=BTC, client_order_index=110, base_amount=1000, avg_execution_price=900_000, is_ask=False
        )
        steps.append(outcome(answer))
        ways = ((100.0, signer.ISOLATED_MARGIN_ADD_COLLATERAL), (50.0, signer.ISOLATED_MARGIN_REMOVE_COLLATERAL))
        for amount, direction in ways:
            steps.append(outcome(await signer.update_margin(BTC, amount, direction)))
            self.seen.setdefault("allocated", []).append((await self.position(BTC)).allocated_margin)
        steps.append(outcome(await signer.update_leverage(BTC, signer.CROSS_MARGIN_MODE, 5)))
        self.seen["margins"] = steps
        held = await self.position(BTC)
        self.seen["isolated"] = [held.margin_mode, held.position, held.initial_margin_fraction]

    async def kinds_of_orders(self) -> None:
        """Market orders by the SDK's helpers, triggers with a limit, immediate-or-cancel, reduce-only, self-trade."""
        signer, ioc = self.signer, {"time_in_force": 0, "order_expiry": 0}
        position = {"market_index": ETH, "base_amount": 1000}
        closing = {**position, "is_ask": True, "reduce_only": True}
        self.seen["kinds"] = {
            "limited slippage": outcome(
                await signer.create_market_order_limited_slippage(
                    client_order_index=120, max_slippage=0.01, is_ask=False, **position
                )
            ),
            "if slippage": outcome(
                await signer.create_market_order_if_slippage(
                    client_order_index=121, max_slippage=0.01, is_ask=False, **position
                )
            ),
            "take profit": outcome(
                await signer.create_tp_limit_order(
                    client_order_index=122, trigger_price=450_000, price=449_000, **closing
                )
            ),
            "stop": outcome(
                await signer.create_sl_limit_order(
                    client_order_index=123, trigger_price=350_000, price=349_000, **closing
                )
            ),
            "ioc": await self.order(124, **ioc),
            "twice": [await self.order(125), await self.order(125, market=BTC, price=700_000)],
            "self trade": await self.order(126, price=400_000, is_ask=True),
            "meets it": await self.order(127, price=400_000, self_trade_behavior_mode=1),
            "reduce only": await self.order(128, is_ask=True, price=380_000, reduce_only=True, **ioc),
            "grouped": outcome(await signer.create_grouped_orders(2, self._grouped())),
        }
        self.seen["statuses"] = await self.statuses(*range(120, 129))

    def _grouped(self) -> list[Any]:
        made = []
        for kind, trigger in ((4, 450_000), (2, 350_000)):
            order = lighter.signer_client.CreateOrderTxReq()
            order.MarketIndex, order.ClientOrderIndex, order.BaseAmount = ETH, 0, 1000
            order.Price, order.IsAsk, order.Type, order.TimeInForce = trigger, 1, kind, 0
            order.ReduceOnly, order.TriggerPrice, order.OrderExpiry = 1, trigger, -1
            made.append(order)
        return made

    async def by_the_exchanges_number(self) -> None:
        """An order modified and canceled by the number that the exchange gave it."""
        steps = [await self.order(130)]
        rows = (await self.orders.account_orders(self.token, "130", account_index=self.account)).orders
        index = rows[0].order_index
        modified = await self.signer.modify_order(market_index=ETH, order_index=index, base_amount=2000, price=391_000)
        steps.append(outcome(modified))
        rows = (await self.orders.account_orders(self.token, "130", account_index=self.account)).orders
        self.seen["modified"] = [rows[0].order_index == index, rows[0].initial_base_amount, rows[0].price]
        steps.append(outcome(await self.signer.cancel_order(market_index=ETH, order_index=index)))
        self.seen["by_number"] = steps
        self.seen["gone"] = await self.statuses(130)

    async def transactions_tell(self) -> None:
        """The fate of a transaction by its hash: carried out, or failed with the sequencer's words."""
        fates = []
        _, answer, _ = await self.signer.create_order(ETH, 140, 1000, 389_000, False, 0, 1)
        for value in (answer.tx_hash, (await self.signer.cancel_order(market_index=ETH, order_index=999))[1].tx_hash):
            row = await self.transactions.tx(by="hash", value=value)
            fates.append([row.type, row.status, json.loads(row.event_info)["ae"]])
        self.seen["fates"] = fates
        listed = await self.transactions.account_txs(
            limit=2, by="account_index", value=str(self.account), authorization=self.token
        )
        self.seen["newest"] = [row.type for row in listed.txs]

    async def funding(self) -> None:
        """Wait until an hour is paid for, and read it from both sides."""
        paid: list[Any] = []
        async with asyncio.timeout(TIMEOUT_S):
            while not paid:
                found = await self.accounts.position_funding(
                    account_index=self.account, limit=10, authorization=self.token
                )
                paid = found.position_fundings
        self.seen["paid"] = [[row.market_id, row.change, row.position_side] for row in paid if row.market_id == ETH]
        limits = await self.accounts.account_limits(account_index=self.account, authorization=self.token)
        self.seen["fees"] = [limits.current_maker_fee_tick, limits.current_taker_fee_tick]


def outcome(made: Any) -> Any:
    """The code of a yes, or the SDK's words of a refusal."""
    _, answer, error = made
    return error or answer.code


async def with_another_nonce_manager(request: dict[str, Any], seen: dict[str, Any]) -> None:
    """The one that asks the venue before each transaction, and several keys in turn."""
    keys = {int(slot): key for slot, key in request["api_keys"].items()}
    client = SignerClient(
        url=request["url"],
        account_index=request["account_index"],
        api_private_keys=keys,
        nonce_management_type=NonceManagerType.API,
    )
    try:
        steps = [
            outcome(await client.create_order(ETH, 150 + number, 1000, 388_000, False, 0, 1)) for number in range(4)
        ]
    finally:
        await client.close()
    seen["asking_each_time"] = steps


async def main(request: dict[str, Any], seen: dict[str, Any]) -> None:
    signer = SignerClient(
        url=request["url"], account_index=request["account_index"], api_private_keys={4: request["api_keys"]["4"]}
    )
    try:
        affairs = Affairs(request, signer, seen)
        parts: list[Callable[[], Awaitable[None]]] = [
            affairs.switch,
            affairs.margins,
            affairs.kinds_of_orders,
            affairs.by_the_exchanges_number,
            affairs.transactions_tell,
            affairs.funding,
        ]
        for part in parts:
            await part()
        await with_another_nonce_manager(request, seen)
    finally:
        await signer.close()


if __name__ == "__main__":
    testify(main)
