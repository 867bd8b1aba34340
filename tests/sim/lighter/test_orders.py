"""Orders over REST: what the API refuses, what the sequencer makes of the rest, and how that shows."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import aiohttp
import pytest

from perpkit.core.models.market import MarketStatus
from perpkit.core.models.order import Side
from perpkit.sim.venues.lighter import LocalLighter, Settings

from .harness import DAY_MS, V1, Client, Signer

D = Decimal
MINUTE_MS = 60_000


async def test_an_order_rests_and_shows_the_integers_it_was_signed_with(sim, trader):
    """0.1 ETH at 3990 for a week."""
    client = await trader.place()
    row = await trader.order(client)
    assert (row["status"], row["price"], row["initial_base_amount"]) == ("open", "3990.00", "0.1000")
    assert (row["base_price"], row["base_size"], row["is_ask"], row["side"]) == (399_000, 1000, False, "")
    assert (row["type"], row["time_in_force"], row["reduce_only"]) == ("limit", "good-till-time", False)
    assert row["order_expiry"] == sim.venue.now_ms() + 7 * DAY_MS
    assert row["owner_account_index"] == trader.index
    active = (await trader.get("accountActiveOrders", account_index=trader.index))["orders"]
    assert active == [row]
    public = (await trader.get("orderBookOrders", market_id=0, limit=10))["bids"]
    assert [(r["order_index"], r["owner_account_index"]) for r in public] == [(row["order_index"], trader.index)]


async def test_the_answer_carries_the_signer_s_hash_and_the_transaction_is_found_by_it(trader):
    """Accepted, no more; what became of it is in ``GET /tx``."""
    info = trader.signer.order()
    answer = await trader.send(14, info)
    assert answer["code"] == 200
    assert answer["volume_quota_remaining"] == 999
    fate = await trader.fate(answer)
    assert (fate["status"], fate["nonce"], fate["type"], fate["event"]["ae"]) == (2, 0, 14, "")
    assert json.loads(fate["info"]) == info
    assert fate["event"]["to"]["u"] == info["ClientOrderIndex"]
    assert (await trader.get("tx", by="hash", value="00")).refusal == (400, 21500)
    listed = await trader.get("accountTxs", by="account_index", value=str(trader.index), limit=10)
    assert [row["hash"] for row in listed["txs"]] == [answer["tx_hash"]]


async def test_a_market_order_fills_at_the_book_and_pays_the_tier_s_fee(sim, trader, quote):
    """0.1 at 4000.10 is 400.01; 280 millionths of it are 0.1120028."""
    quote()
    client = await trader.take()
    row = await trader.order(client)
    assert (row["status"], row["filled_base_amount"], row["filled_quote_amount"]) == ("filled", "0.1000", "400.010000")
    trade = (await trader.get("trades", sort_by="timestamp", limit=10, account_index=trader.index))["trades"][0]
    assert (trade["taker_fee"], trade["is_maker_ask"], trade["bid_id"]) == (280, True, row["order_index"])
    assert (trade["bid_client_id"], trade["bid_account_id"]) == (client, trader.index)
    assert D(trade["usd_amount"]) * trade["taker_fee"] / 10**6 == D("0.1120028")
    cash = sim.exchange.account(str(trader.index)).cash
    assert cash == D(100_000) - D("0.1120028")


async def test_a_market_order_stops_at_its_price_or_at_the_end_of_the_book(trader, quote):
    """Beyond the price something stands: too much slippage. Nothing stands: not enough liquidity."""
    quote(asks=[("4000.10", "0.05"), ("4200.00", "1")])
    row = await trader.order(await trader.take())
    assert (row["status"], row["filled_base_amount"]) == ("canceled-too-much-slippage", "0.0500")
    row = await trader.order(await trader.take(BaseAmount=30_000, Price=500_000))
    assert (row["status"], row["filled_base_amount"]) == ("canceled-not-enough-liquidity", "1.0000")
    row = await trader.order(await trader.place(TimeInForce=0, OrderExpiry=0))
    assert row["status"] == "canceled-not-enough-liquidity"


async def test_post_only_that_would_cross_is_accepted_and_then_canceled(trader, quote):
    """HTTP 200 says nothing of its fate."""
    quote()
    row = await trader.order(await trader.place(TimeInForce=2, Price=400_010))
    assert (row["status"], row["time_in_force"]) == ("canceled-post-only", "post-only")
    row = await trader.order(await trader.place(TimeInForce=2, Price=399_500))
    assert row["status"] == "open"


async def test_reduce_only_without_a_position_ends_as_the_settings_say(sim, trader):
    """A row by default; refused at once; or no word of it ever, though its nonce is gone."""
    row = await trader.order(await trader.place(ReduceOnly=1))
    assert row["status"] == "canceled-reduce-only"
    object.__setattr__(sim.venue.settings, "invalid_reduce_only", "refused")
    assert (await trader.send(14, trader.signer.order(ReduceOnly=1))).refusal == (400, 21738)
    object.__setattr__(sim.venue.settings, "invalid_reduce_only", "vanishes")
    client = await trader.place(ReduceOnly=1)
    rows = (await trader.get("accountOrders", client_order_indexes=str(client)))["orders"]
    assert rows == []
    nonce = (await trader.get("nextNonce", account_index=trader.index, api_key_index=4))["nonce"]
    assert nonce == 2


async def test_an_order_expires_at_its_time(sim, trader):
    """Five minutes at least."""
    client = await trader.place(OrderExpiry=sim.venue.now_ms() + 5 * MINUTE_MS)
    sim.control.advance(timedelta(minutes=5))
    assert (await trader.order(client))["status"] == "canceled-expired"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"MarketIndex": 77}, 21602),
        ({"MarketIndex": 2048}, 21602),
        ({"BaseAmount": 0}, 21701),
        ({"BaseAmount": 2**48}, 21701),
        ({"BaseAmount": 49}, 21706),
        ({"BaseAmount": 50, "Price": 19_999, "IsAsk": 0}, 21706),
        ({"Price": 0}, 21702),
        ({"Price": 2**32}, 21702),
        ({"IsAsk": 2}, 21703),
        ({"Type": 7}, 21704),
        ({"Type": 6}, 21710),
        ({"TimeInForce": 3}, 21705),
        ({"ReduceOnly": 2}, 21740),
        ({"TriggerPrice": 1}, 21729),
        ({"OrderExpiry": 0}, 21711),
        ({"OrderExpiry": -1}, 21711),
        ({"TimeInForce": 0}, 21711),
        ({"ClientOrderIndex": 2**48}, 21727),
        ({"Type": 1, "TimeInForce": 1}, 21705),
        ({"Type": 1, "TimeInForce": 0}, 21711),
        ({"Type": 2, "TimeInForce": 0}, 21729),
        ({"Type": 2, "TimeInForce": 1, "TriggerPrice": 390_000}, 21705),
        ({"Price": 700_000}, 21733),
        ({"Price": 10_000, "BaseAmount": 10**6}, 21734),
        ({"Type": 3, "TriggerPrice": 420_000, "Price": 700_000}, 21735),
        ({"BaseAmount": 6_000_000}, 21739),
    ],
)
async def test_what_the_api_refuses_leaves_the_nonce_free(sim, trader, fields, code):
    """One wrong field each, and its code; the next transaction takes the same nonce."""
    # An expiry of -1 can't be signed here: the signer replaces it, and the field of the hash has no negative numbers.
    is_placeholder = fields.get("OrderExpiry") == -1
    info = trader.signer.order(changes=fields) if is_placeholder else trader.signer.order(**fields)
    assert (await trader.send(14, info)).refusal == (400, code)
    assert (await trader.send(14, trader.signer.order())).status == 200


async def test_the_guard_against_accidental_prices_can_be_switched_off(trader):
    """``price_protection`` false."""
    answer = await trader.send(14, trader.signer.order(Price=700_000, BaseAmount=100), price_protection="false")
    assert answer.status == 200


async def test_expiries_are_five_minutes_to_thirty_days_ahead(sim, trader):
    """The bounds themselves pass."""
    now = sim.venue.now_ms()
    for expiry, status in (
        (now + 5 * MINUTE_MS - 1, 400),
        (now + 5 * MINUTE_MS, 200),
        (now + 30 * DAY_MS, 200),
        (now + 30 * DAY_MS + 1, 400),
    ):
        assert (await trader.send(14, trader.signer.order(OrderExpiry=expiry))).status == status


async def test_a_client_order_index_is_live_once_whatever_the_market(trader):
    """21728 while it lives, free again afterwards; 0 is none and may be used at will."""
    await trader.place(ClientOrderIndex=5)
    btc = {"MarketIndex": 1, "BaseAmount": 1000, "Price": 990_000}
    assert (await trader.send(14, trader.signer.order(ClientOrderIndex=5, **btc))).refusal == (400, 21728)
    await trader.cancel(5)
    await trader.place(ClientOrderIndex=5, **btc)
    await trader.place(ClientOrderIndex=0)
    await trader.place(ClientOrderIndex=0)
    assert (await trader.order(5))["market_index"] == 1


async def test_orders_are_canceled_by_either_number_and_by_any_key_of_the_account(sim, trader):
    """The client's and the venue's share one field; the second key cancels what the first created."""
    first, second = await trader.place(), await trader.place()
    await trader.cancel((await trader.order(first))["order_index"])
    async with Client(sim, Signer(sim, sim.accounts[0], slot=5)) as same:
        assert (await same.cancel(second)).status == 200
    rows = (await trader.get("accountInactiveOrders", account_index=trader.index, limit=10))["orders"]
    assert [(row["client_order_index"], row["status"]) for row in rows] == [(second, "canceled"), (first, "canceled")]


async def test_canceling_what_is_not_live_is_accepted_and_fails_in_the_sequencer(trader, other):
    """The nonce is used up; only the transaction tells. So with somebody else's order."""
    client = await trader.place()
    number = (await trader.order(client))["order_index"]
    fate = await other.fate(await other.cancel(number))
    assert (fate["status"], fate["event"]["ae"]) == (0, "given order is not an active order")
    await trader.cancel(client)
    fate = await trader.fate(await trader.cancel(client))
    assert fate["status"] == 0
    assert (await trader.get("nextNonce", account_index=trader.index, api_key_index=4))["nonce"] == 3


async def test_cancel_all_at_once_in_one_market_or_in_all(trader):
    """Attribute 5 names a market."""
    eth = await trader.place()
    btc = await trader.place(MarketIndex=1, BaseAmount=1000, Price=990_000)
    await trader.cancel_all(attributes={"5": 1})
    assert [(await trader.order(c))["status"] for c in (eth, btc)] == ["open", "canceled"]
    await trader.cancel_all()
    assert (await trader.order(eth))["status"] == "canceled"
    assert (await trader.cancel_all(kind=1, time=1, attributes={"5": 1})).refusal == (400, 21713)
    assert (await trader.cancel_all(kind=3)).refusal == (400, 21713)
    assert (await trader.cancel_all(kind=0, time=5)).refusal == (400, 21714)


async def test_a_scheduled_cancel_all_fires_unless_it_is_aborted(sim, trader):
    """Five minutes to fifteen days ahead, one at a time; the account shows when."""
    now = sim.venue.now_ms()
    client = await trader.place()
    assert (await trader.cancel_all(1, now + 5 * MINUTE_MS - 1)).refusal == (400, 21714)
    assert (await trader.cancel_all(1, now + 15 * DAY_MS + 1)).refusal == (400, 21714)
    await trader.cancel_all(1, now + 5 * MINUTE_MS)
    shown = (await trader.get("account", by="index", value=trader.index))["accounts"][0]
    assert shown["cancel_all_time"] == now + 5 * MINUTE_MS
    assert (await trader.cancel_all(1, now + 6 * MINUTE_MS)).refusal == (400, 21712)
    await trader.cancel_all(2)
    sim.control.advance(timedelta(minutes=6))
    assert (await trader.order(client))["status"] == "open"
    await trader.cancel_all(1, sim.venue.now_ms() + 5 * MINUTE_MS)
    sim.control.advance(timedelta(minutes=5))
    assert (await trader.order(client))["status"] == "canceled"
    shown = (await trader.get("account", by="index", value=trader.index))["accounts"][0]
    assert shown["cancel_all_time"] == 0


async def test_modify_changes_size_and_price_and_keeps_the_number(trader):
    """The event carries the order as it was and as it is."""
    client = await trader.place()
    before = await trader.order(client)
    fate = await trader.fate(await trader.modify(client, BaseAmount=2000, Price=398_000))
    after = await trader.order(client)
    assert (after["price"], after["initial_base_amount"]) == ("3980.00", "0.2000")
    assert after["order_index"] == before["order_index"]
    assert (fate["event"]["oo"]["p"], fate["event"]["no"]["p"]) == (399_000, 398_000)
    fate = await trader.fate(await trader.modify(99_999))
    assert (fate["status"], fate["event"]["ae"]) == (0, "given order is not an active order")


async def test_a_trigger_order_waits_for_the_mark_and_then_trades(sim, trader, quote):
    """Pending, with the mark price as what it waits for; after the trigger it is a market order."""
    quote()
    await trader.take()
    stop = {"Type": 2, "TimeInForce": 0, "IsAsk": 1, "ReduceOnly": 1, "TriggerPrice": 395_000, "Price": 380_000}
    client = await trader.place(**stop)
    row = await trader.order(client)
    assert (row["status"], row["type"], row["trigger_status"]) == ("pending", "stop-loss", "mark-price")
    assert (row["trigger_price"], row["reduce_only"]) == ("3950.00", True)
    sim.control.set_price("ETH", mark=D("3950"))
    row = await trader.order(client)
    assert (row["status"], row["filled_base_amount"], row["trigger_status"]) == ("filled", "0.1000", "ready")


async def test_an_immediate_trigger_order_expires_while_it_waits(sim, trader):
    """Its expiry holds although it would never rest."""
    expiry = sim.venue.now_ms() + 5 * MINUTE_MS
    stop = {"Type": 3, "TimeInForce": 0, "IsAsk": 1, "TriggerPrice": 395_000, "Price": 390_000, "OrderExpiry": expiry}
    client = await trader.place(**stop)
    sim.control.advance(timedelta(minutes=5))
    assert (await trader.order(client))["status"] == "canceled-expired"


async def test_one_s_own_resting_order_gives_way(trader):
    """By default the maker expires; attribute 6 lets the taker do so."""
    resting = await trader.place(Price=400_000)
    await trader.place(IsAsk=1, Price=400_000)
    assert (await trader.order(resting))["status"] == "canceled-self-trade"
    taker = await trader.place(Price=400_000, attributes={"6": 1})
    assert (await trader.order(taker))["status"] == "canceled-self-trade"


async def test_a_taker_without_margin_is_accepted_and_then_canceled(trader, quote):
    """A resting order is refused at once (21739), a taking one only by the sequencer."""
    quote(asks=[("4000.10", "10000")])
    row = await trader.order(await trader.take(BaseAmount=6_000_000))
    assert row["status"] == "canceled-margin-not-allowed"


async def test_a_halted_market_refuses_orders(sim, trader):
    """21605."""
    sim.control.set_market_status("ETH", MarketStatus.HALTED)
    assert (await trader.send(14, trader.signer.order())).refusal == (400, 21605)


async def test_an_order_shows_as_in_progress_until_it_is_decided_on(sim, trader):
    """And a fill of a part shows as open."""
    sim.control.hold_decisions()
    client = await trader.place(IsAsk=1, Price=400_100)
    assert (await trader.order(client))["status"] == "in-progress"
    sim.control.release_decisions()
    sim.control.trade("ETH", Side.BUY, D("0.04"))
    row = await trader.order(client)
    assert (row["status"], row["filled_base_amount"], row["remaining_base_amount"]) == ("open", "0.0400", "0.0600")


async def test_order_times_may_come_in_seconds(sim, trader):
    """As an older deployment sent them."""
    client = await trader.place()
    assert (await trader.order(client))["created_at"] == sim.venue.now_ms()
    object.__setattr__(sim.venue.settings, "orders_in_seconds", True)
    assert (await trader.order(client))["created_at"] == sim.venue.now_s()


async def test_a_tier_s_delay_passes_between_acceptance_and_execution():
    """300 ms for takers of a standard account, 200 ms for its makers; the answer says when."""
    settings = Settings(tier="standard", delays=True, limits_scale=0)
    async with LocalLighter(settings=settings) as sim, Client(sim, Signer(sim, sim.accounts[0])) as trader:
        sim.control.quote("ETH")
        now = sim.venue.now_ms()
        answer = await trader.send(14, trader.signer.market_order())
        assert answer["predicted_execution_time_ms"] == now + 300
        sim.control.advance(timedelta(milliseconds=299))
        assert (await trader.fate(answer))["status"] == 1
        sim.control.advance(timedelta(milliseconds=1))
        assert (await trader.fate(answer))["status"] == 2
        answer = await trader.send(14, trader.signer.order(TimeInForce=2))
        assert answer["predicted_execution_time_ms"] == now + 300 + 200


async def test_a_later_transaction_of_a_key_does_not_overtake_an_earlier_one():
    """A premium maker waits for nothing but the taker before it; another key's does not wait for that."""
    settings = Settings(delays=True, limits_scale=0)
    async with (
        LocalLighter(settings=settings) as sim,
        Client(sim, Signer(sim, sim.accounts[0])) as trader,
        Client(sim, Signer(sim, sim.accounts[0], slot=5)) as second,
    ):
        sim.control.quote("ETH")
        now = sim.venue.now_ms()
        taken = await trader.send(14, trader.signer.market_order())
        made = await trader.send(14, trader.signer.order(TimeInForce=2))
        quick = await second.send(14, second.signer.order(TimeInForce=2, ClientOrderIndex=9))
        assert [a["predicted_execution_time_ms"] - now for a in (taken, made, quick)] == [200, 200, 0]
        assert [(await trader.fate(a))["status"] for a in (taken, made, quick)] == [1, 1, 2]
        sim.control.advance(timedelta(milliseconds=200))
        assert [(await trader.fate(a))["status"] for a in (taken, made, quick)] == [2, 2, 2]


async def test_a_batch_runs_in_order_and_answers_with_its_hashes(trader):
    """Texts in a text; consecutive nonces of one key."""
    orders = []
    for _ in range(3):
        orders.append(trader.signer.order())
        trader.signer.nonce += 1
    form = {"tx_types": "[14,14,14]", "tx_infos": json.dumps([json.dumps(order) for order in orders])}
    answer = await trader.request("POST", f"{V1}/sendTxBatch", data=form)
    assert len(set(answer["tx_hash"])) == 3
    for order in orders:
        assert (await trader.order(order["ClientOrderIndex"]))["status"] == "open"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda s: ([14], []), 21513),
        (lambda s: ([14] * 51, [s.order()] * 51), 21514),
        (lambda s: ([], []), 21501),
        (lambda s: ([14, 14], [s.order(Nonce=0), s.order(Nonce=2)]), 21105),
        (lambda s: ([14, 14], [s.order(Nonce=5), s.order(Nonce=6)]), 21104),
        (lambda s: ([14, 14], [s.order(Nonce=0), s.order(Nonce=1, Price=0)]), 21702),
    ],
)
async def test_a_batch_is_refused_as_a_whole(trader, make, code):
    """And no nonce of it is used up."""
    types, orders = make(trader.signer)
    form = {"tx_types": json.dumps(types), "tx_infos": json.dumps([json.dumps(order) for order in orders])}
    assert (await trader.request("POST", f"{V1}/sendTxBatch", data=form)).refusal == (400, code)
    assert (await trader.get("nextNonce", account_index=trader.index, api_key_index=4))["nonce"] == 0
    assert (await trader.get("accountActiveOrders", account_index=trader.index))["orders"] == []


async def test_a_batch_of_two_keys_is_refused(sim, trader):
    """21121."""
    orders = [trader.signer.order(Nonce=0), Signer(sim, sim.accounts[0], slot=5).order(Nonce=1)]
    form = {"tx_types": "[14,14]", "tx_infos": json.dumps([json.dumps(order) for order in orders])}
    assert (await trader.request("POST", f"{V1}/sendTxBatch", data=form)).refusal == (400, 21121)


async def test_multipart_forms_are_taken_too(trader):
    """Some clients send those."""
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("tx_type", "14")
    form.add_field("tx_info", json.dumps(trader.signer.order()))
    assert (await trader.request("POST", f"{V1}/sendTx", data=form)).status == 200
