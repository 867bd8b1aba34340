"""A long seeded run: what the streams told, replayed, is what REST says and what the ledger holds."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.sim.venues.lighter import LocalLighter, Settings

from .harness import Client, Signer, Socket

D = Decimal
SEED = 20261129
STEPS = 120


@pytest.mark.timeout(120)
async def test_streams_replayed_are_what_rest_and_the_ledger_say():
    """Book by nonces, orders by their numbers, trades one by one, positions and cash; then the books balance."""
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    settings = Settings(limits_scale=0, verify_signatures=False)
    async with (
        LocalLighter(seed=SEED, settings=settings) as sim,
        Client(sim, Signer(sim, sim.accounts[0])) as trader,
        Socket(sim, Signer(sim, sim.accounts[0])) as socket,
    ):
        sim.control.liven("ETH")
        index, account_id = trader.index, str(trader.index)
        first = await socket.subscribe("order_book/0")
        for channel in ("account_all_orders", "account_all_trades", "account_all_positions", "account_tx"):
            await socket.subscribe(f"{channel}/{index}", trader.signer.token(lifetime=7 * 3600))
        clients = [await trader.place()]
        for _ in range(STEPS):
            mark = int(sim.exchange.mark_price("ETH") * 100)
            side = rng.randrange(2)
            away = rng.randrange(-300, 900) * (1 if side else -1)
            match rng.randrange(6):
                case 0 | 1:
                    price = mark + (8000 if not side else -8000)
                    clients.append(await trader.take(IsAsk=side, Price=price, BaseAmount=rng.randrange(50, 3000)))
                case 2 | 3:
                    clients.append(await trader.place(IsAsk=side, Price=mark + away, TimeInForce=rng.randrange(1, 3)))
                case 4:
                    await trader.cancel(rng.choice(clients))
                case _:
                    await trader.modify(rng.choice(clients), Price=mark - 3000, BaseAmount=2000)
            sim.control.advance(timedelta(seconds=rng.randrange(1, 40)))
        await trader.cancel_all()
        sim.control.still()
        sim.control.advance(timedelta(hours=1))
        await socket.say({"type": "unsubscribe", "channel": "order_book/0"})
        await socket.wait("order_book:0", 1, lambda frame: frame["type"] == "unsubscribed")

        book, nonce = {}, first["order_book"]["nonce"]
        for frame in socket.frames["order_book:0"][:-1]:
            body = frame["order_book"]
            assert body["begin_nonce"] in {0, nonce}
            nonce = body["nonce"]
            for name in ("asks", "bids"):
                book |= {(name, row["price"]): D(row["size"]) for row in body[name]}
        standing = sim.exchange.book("ETH")
        assert {key: size for key, size in book.items() if size} == {
            (name, str(level.price)): level.size
            for name, levels in (("asks", standing.asks), ("bids", standing.bids))
            for level in levels
        }

        told = {
            row["order_index"]: row["status"]
            for frame in socket.frames[f"account_all_orders:{index}"]
            for row in frame["orders"].get("0", [])
        }
        over = (await trader.get("accountInactiveOrders", account_index=index, limit=100))["orders"]
        assert len(over) > 50
        missing = {row["order_index"]: (row["status"], told.get(row["order_index"])) for row in over}
        assert not {key: pair for key, pair in missing.items() if pair[0] != pair[1]}

        seen = [
            row
            for frame in socket.frames[f"account_all_trades:{index}"]
            if frame["type"].startswith("update/")
            for row in frame["trades"].get("0", [])
        ]
        fills = sim.exchange.fills(account_id)
        assert len(seen) == len(fills) > 20
        assert [(D(row["size"]), D(row["price"])) for row in seen] == [(fill.size, fill.price) for fill in fills]
        paid = [
            D(row["usd_amount"])
            * row.get("taker_fee" if row["is_maker_ask"] == (row["bid_account_id"] == index) else "maker_fee", 0)
            / 10**6
            for row in seen
        ]
        assert paid == [fill.fee for fill in fills]

        shown = (await trader.get("account", by="index", value=index))["accounts"][0]
        position = sim.exchange.position(account_id, "ETH")
        row = shown["positions"][0]
        assert D(row["position"]) * row["sign"] == position.size
        last = [f["positions"]["0"] for f in socket.frames[f"account_all_positions:{index}"] if "0" in f["positions"]][
            -1
        ]
        assert D(last["position"]) * last["sign"] == position.size
        assert D(shown["collateral"]) == sim.exchange.account(account_id).cash
        statuses = {row["status"] for frame in socket.frames[f"account_tx:{index}"] for row in frame["txs"]}
        assert statuses == {0, 2}
        sim.exchange.check_invariants()
