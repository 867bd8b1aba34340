"""
A minute of a lively market, with a customer trading at random from a seed: what the streams told adds up to what REST
and the ledger hold.
"""

import random
from collections import defaultdict
from decimal import Decimal

import pytest

from perpkit.sim.venues.extended import LocalExtended

from .harness import Client, Signer, Stream, advance

D = Decimal
MARKETS = {"BTC-USD": ("84000", "1", "0.01"), "ETH-USD": ("3456", "0.1", "0.1")}


def random_order(rng):
    market = rng.choice(list(MARKETS))
    price, tick, qty = MARKETS[market]
    wanted = (D(price) * rng.randrange(9950, 10050) / 10000).quantize(D(tick))
    options = {"market": market, "side": rng.choice(["BUY", "SELL"]), "qty": qty, "price": str(wanted)}
    match rng.randrange(5):
        case 0:
            worst = D(price) * (D("1.03") if options["side"] == "BUY" else D("0.97"))
            return options | {"type": "MARKET", "timeInForce": "IOC", "price": str(worst.quantize(D(tick)))}
        case 1:
            return options | {"postOnly": True, "fee": "0"}
        case 2:
            return options | {"timeInForce": "IOC"}
        case _:
            return options


@pytest.mark.parametrize("seed", [1, 2])
async def test_streams_rest_and_ledger_agree_after_a_lively_while(seed):
    """A minute of quotes, trades, orders, replacements and cancels; answers are validated on the way."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    async with LocalExtended(seed=seed, liquidity=True) as sim:
        account = sim.accounts[0]
        async with (
            Client(sim, Signer(sim, account)) as client,
            Stream(sim, "account", key=account.api_key) as mine,
            Stream(sim) as public,
        ):
            for market in MARKETS:
                await public.subscribe("orderbooks", market=market, depth="full", rfqOnly=False)
                await public.subscribe("orderbooks", market=market, depth="1")
            for step in range(61):
                if step % 3 == 0:
                    assert (await client.try_order(**random_order(rng))).status == 200
                elif step % 10 == 1 and (standing := (await client.get("/user/orders")).data):
                    order = rng.choice(standing)
                    if rng.randrange(2):
                        await client.delete(f"/user/order/{order['id']}")
                    else:
                        changes = {name: order[name] for name in ("market", "side", "price")}
                        await client.try_order(**changes, qty=MARKETS[order["market"]][2], cancelId=order["externalId"])
                advance(sim, seconds=1)
            advance(sim, seconds=1)
            await public.settle()
            await compare(sim, client, mine, public)
        sim.exchange.check_invariants()


async def compare(sim, client, mine, public):
    told = defaultdict(list)
    for frame in mine.frames:
        told[frame["type"]].append(frame["data"])
    orders = {row["id"]: row for row in (await client.get("/user/orders/history", limit=1000)).body["data"]}
    orders |= {row["id"]: row for row in (await client.get("/user/orders")).data}
    fills = (await client.get("/user/trades", limit=1000)).body["data"]
    assert len(fills) > 5
    # What is the last to come is the last row of each; then all of it is here.
    await mine.wait(1, lambda f: f["type"] == "TRADE" and f["data"]["trades"][0]["id"] == fills[0]["id"])
    latest = {row["id"]: row for data in told["ORDER"] for row in data["orders"]}
    assert set(latest) == set(orders)
    for order_id, order in orders.items():
        for name in ("status", "externalId", "side", "updatedTime"):
            assert latest[order_id][name] == order[name], (order, latest[order_id])
        for name in ("qty", "price", "filledQty", "cancelledQty", "payedFee"):
            assert D(latest[order_id][name]) == D(order[name]), (order, latest[order_id])
    streamed = [row for data in told["TRADE"] for row in data["trades"]]
    assert [row["id"] for row in streamed] == [row["id"] for row in reversed(fills)]
    filled = defaultdict(D)
    for fill in fills:
        filled[fill["orderId"]] += D(fill["qty"])
    assert {key: D(orders[key]["filledQty"]) for key in filled} == filled
    sizes = defaultdict(D)
    for fill in fills:
        sizes[fill["market"]] += D(fill["qty"]) * (1 if fill["side"] == "BUY" else -1)
    held = {row["market"]: D(row["size"]) * (1 if row["side"] == "LONG" else -1) for row in await positions(client)}
    assert held == {market: size for market, size in sizes.items() if size}
    assert D(told["BALANCE"][-1]["balance"]["balance"]) == sim.exchange.account(sim.accounts[0].account_id).cash
    for market in MARKETS:
        book = replay(public.frames, f"orderbooks.{market}")
        rest = (await client.get(f"/info/markets/{market}/orderbook")).data
        assert book == {side: {row["price"]: row["qty"] for row in rest[side]} for side in ("bid", "ask")}
        best = [f["data"] for f in public.frames if f["subscription"] == f"orderbooks.1.{market}"][-1]
        assert [(row["p"], row["q"]) for row in best["b"]] == [(rest["bid"][0]["price"], rest["bid"][0]["qty"])]


async def positions(client):
    return (await client.get("/user/positions")).data


def replay(frames, topic):
    """Return the book that a topic's messages lead to, taking ``c``, with every ``q`` added up beside it."""
    book = {"bid": {}, "ask": {}}
    for frame in frames:
        if frame["subscription"] != topic:
            continue
        data = frame["data"]
        for side, rows in (("bid", data["b"]), ("ask", data["a"])):
            if data["t"] == "SNAPSHOT":
                book[side] = {row["p"]: row["q"] for row in rows}
                continue
            for row in rows:
                assert D(book[side].get(row["p"], "0")) + D(row["q"]) == D(row["c"])
                book[side][row["p"]] = row["c"]
                if D(row["c"]) == 0:
                    del book[side][row["p"]]
    return book
