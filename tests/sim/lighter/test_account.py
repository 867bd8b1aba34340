"""Accounts, keys, nonces, tokens, margin, funding payments and budgets."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.sim.accounts import MarginMode
from perpkit.sim.markets import SystemStatus
from perpkit.sim.venues.lighter import LocalLighter, Settings
from perpkit.sim.venues.lighter.config import TIERS
from perpkit.sim.venues.lighter.errors import ApiError

from .harness import Client, Signer, Socket

D = Decimal


async def nonce_of(client, slot=4):
    return (await client.get("nextNonce", account_index=client.index, api_key_index=slot))["nonce"]


async def account_of(client, **query):
    return (await client.get("account", by="index", value=client.index, **query))["accounts"][0]


async def test_an_account_is_found_by_index_and_by_address(sim, anybody):
    """Anybody may look; the address leads to all of its accounts, upper or lower case."""
    local = sim.accounts[0]
    by_index = (await anybody.get("account", by="index", value=local.account_index))["accounts"]
    by_address = await anybody.get("account", by="l1_address", value=local.l1_address.upper().replace("X", "x"))
    assert by_index == by_address["accounts"]
    assert (by_index[0]["collateral"], by_index[0]["available_balance"]) == ("100000.000000", "100000.000000")
    sim.venue.add_account(77, local.l1_address, TIERS["standard"])
    rows = (await anybody.get("accountsByL1Address", l1_address=local.l1_address))["sub_accounts"]
    assert [(row["index"], row["available_balance"]) for row in rows] == [(local.account_index, ""), (77, "")]
    for query in ({"by": "index", "value": 9}, {"by": "l1_address", "value": "0x9"}):
        assert (await anybody.get("account", **query)).refusal == (400, 21100)
    assert (await anybody.get("accountsByL1Address", l1_address="0x9")).refusal == (400, 21100)
    metadata = await anybody.get("accountMetadata", by="index", value=77)
    assert metadata["account_metadatas"][0]["account_index"] == 77


async def test_keys_are_listed_without_0x_and_255_means_all(sim, anybody):
    """Three slots from 4 on; an empty slot is 21109."""
    index = sim.accounts[0].account_index
    keys = (await anybody.get("apikeys", account_index=index))["api_keys"]
    assert [key["api_key_index"] for key in keys] == [4, 5, 6]
    assert keys[0]["public_key"] == sim.accounts[0].public_key
    one = (await anybody.get("apikeys", account_index=index, api_key_index=5))["api_keys"]
    assert one == [keys[1]]
    assert (await anybody.get("apikeys", account_index=index, api_key_index=9)).refusal == (400, 21109)
    assert (await anybody.get("nextNonce", account_index=index, api_key_index=255)).refusal == (400, 21110)


async def test_the_private_keys_of_a_local_account_show_only_when_asked(sim):
    """Not in its repr."""
    local = sim.accounts[0]
    assert local.private_key not in repr(local)
    assert local.reveal()["private_key"] == local.private_key
    assert len(local.private_key) == 80


async def test_nonces_count_up_one_by_one_for_each_key(sim, trader):
    """Used again, left out: 21104. Another key has its own."""
    await trader.place()
    assert await nonce_of(trader) == 1
    for wrong in (0, 2):
        assert (await trader.send(14, trader.signer.order(Nonce=wrong))).refusal == (400, 21104)
    async with Client(sim, Signer(sim, sim.accounts[0], slot=5)) as second:
        await second.place(ClientOrderIndex=7)
        assert (await nonce_of(trader), await nonce_of(second, 5)) == (1, 1)


async def test_with_attribute_4_any_larger_nonce_will_do(trader):
    """Then the count goes on from there; a smaller one is still refused."""
    await trader.place(Nonce=1_000_000, attributes={"4": 1})
    assert await nonce_of(trader) == 1_000_001
    assert (await trader.send(14, trader.signer.order(Nonce=5, attributes={"4": 1}))).refusal == (400, 21104)
    await trader.place()


async def test_an_expired_transaction_leaves_its_nonce_and_those_after_it_fail():
    """It expired between acceptance and execution; what was in flight behind it is 21104 and must be signed again."""
    settings = Settings(tier="standard", delays=True, limits_scale=0)
    async with LocalLighter(settings=settings) as sim, Client(sim, Signer(sim, sim.accounts[0])) as trader:
        first = await trader.send(14, trader.signer.order(ExpiredAt=sim.venue.now_ms() + 100))
        second = await trader.send(14, trader.signer.order())
        assert await nonce_of(trader) == 2
        sim.control.advance(timedelta(milliseconds=300))
        assert ((await trader.fate(first))["status"], (await trader.fate(second))["status"]) == (0, 0)
        assert (await trader.fate(second))["event"]["ae"] == "invalid nonce"
        assert await nonce_of(trader) == 0
        late = trader.signer.order(Nonce=0, ExpiredAt=sim.venue.now_ms())
        assert (await trader.send(14, late)).refusal == (400, 21501)


async def test_a_signature_must_be_the_key_s_over_these_fields_and_this_chain(sim, trader):
    """21120 for a field changed after signing, for another chain and for another account's key; nonces stay."""
    changed = trader.signer.order(changes={"Price": 399_001})
    testnet = Signer(sim, sim.accounts[0], chain_id=300).order()
    stranger = Signer(sim, sim.accounts[1])
    stranger.account = sim.accounts[0]
    for info in (changed, testnet, stranger.order()):
        assert (await trader.send(14, info)).refusal == (400, 21120)
    assert await nonce_of(trader) == 0
    assert (await trader.send(14, trader.signer.order(ApiKeyIndex=9))).refusal == (400, 21109)
    assert (await trader.send(14, trader.signer.order(AccountIndex=9))).refusal == (400, 21100)


async def test_without_the_check_on_the_curve_only_the_form_counts():
    """For load tests: the hash is still the signer's, a wrong signature passes, a short one does not."""
    settings = Settings(verify_signatures=False)
    async with LocalLighter(settings=settings) as sim, Client(sim, Signer(sim, sim.accounts[0])) as trader:
        assert (await trader.send(14, trader.signer.order(changes={"Price": 399_001}))).status == 200
        assert (await trader.send(14, trader.signer.order(changes={"Sig": "AAAA"}))).refusal == (400, 21120)


async def test_a_token_goes_into_the_header_or_the_query_and_ends_at_its_deadline(sim, trader, anybody):
    """At most eight hours ahead."""
    query = {"account_index": trader.index}
    token = trader.signer.token(lifetime=60)
    assert (await anybody.get("accountActiveOrders", token=token, **query)).status == 200
    assert (await anybody.get("accountActiveOrders", auth=token, **query)).status == 200
    assert (await anybody.get("accountActiveOrders", **query)).body["message"] == "auth field is required"
    far = trader.signer.token(lifetime=8 * 3600 + 1)
    assert (await anybody.get("accountActiveOrders", token=far, **query)).refusal == (400, 20013)
    sim.control.advance(timedelta(seconds=60))
    expired = await anybody.get("accountActiveOrders", token=token, **query)
    assert expired.body == {"code": 20013, "message": "invalid auth: expired token"}
    assert (await anybody.get("accountActiveOrders", token=far, **query)).status == 200


async def test_a_token_opens_its_own_account_only(trader, other):
    """And a fault can end all that were shown."""
    token = other.signer.token()
    refused = await trader.get("accountActiveOrders", token=token, account_index=trader.index)
    assert refused.refusal == (400, 20013)
    trader.sim.control.expire_tokens()
    refused = await trader.get("accountActiveOrders", token=token, account_index=other.index)
    assert refused.body["message"] == "invalid auth: expired token"
    assert (await other.get("accountActiveOrders", account_index=other.index)).status == 200


async def test_a_read_only_token_reads_its_account_over_rest_and_socket(sim, anybody):
    """One that the venue did not make is refused, and so is another account's data."""
    local, stranger = sim.accounts
    query = {"account_index": local.account_index}
    assert local.readonly_token.startswith(f"ro:{local.account_index}:single:")
    assert (await anybody.get("accountActiveOrders", token=local.readonly_token, **query)).status == 200
    assert (await anybody.get("accountActiveOrders", token=stranger.readonly_token, **query)).refusal == (400, 20013)
    made_up = f"{local.readonly_token[:-1]}x"
    assert (await anybody.get("accountActiveOrders", token=made_up, **query)).refusal == (400, 20013)
    async with Socket(sim) as socket:
        frame = await socket.subscribe(f"account_all_orders/{local.account_index}", local.readonly_token)
        assert frame["orders"] == {}
    with pytest.raises(ApiError, match="expired token"):
        sim.venue.authority.read(local.readonly_token, sim.venue.now_s() + 3650 * 86_400)


async def test_limits_show_the_tier_and_the_fees_that_are_paid(trader):
    """40 and 280 millionths: the premium tier's."""
    answer = await trader.get("accountLimits", account_index=trader.index)
    assert (answer["user_tier"], answer["current_maker_fee_tick"], answer["current_taker_fee_tick"]) == (
        "premium",
        40,
        280,
    )


async def test_a_position_shows_its_fraction_as_percent_and_its_figures_in_usdc(sim, trader, quote):
    """0.1 at 4000.10 and 4100 now: 409.99 of value, 9.99 of gain; 5.00 is twentyfold."""
    quote()
    await trader.take()
    sim.control.set_price("ETH", mark=D("4100"))
    row = (await account_of(trader))["positions"][0]
    assert (row["initial_margin_fraction"], row["position"], row["sign"]) == ("5.00", "0.1000", 1)
    assert (row["position_value"], row["unrealized_pnl"]) == ("410.000000", "9.990000")
    assert row["avg_entry_price"] == "4000.10"
    shown = await account_of(trader)
    assert D(shown["total_asset_value"]) == D(shown["collateral"]) + D("9.99")
    assert D(shown["cross_initial_margin_requirement"]) == D("20.5")
    assert D(shown["available_balance"]) == D(shown["total_asset_value"]) - D("20.5")


async def test_flat_markets_stay_listed_unless_only_active_ones_are_asked_for(trader, quote):
    """A row of zeros."""
    quote()
    await trader.take()
    await trader.take(IsAsk=1, Price=390_000)
    assert [row["position"] for row in (await account_of(trader))["positions"]] == ["0.0000"]
    assert (await account_of(trader, active_only="true"))["positions"] == []


async def test_leverage_is_a_fraction_with_the_market_s_as_its_least(trader, quote):
    """333 shows as 3.33; below 200 is 21113; the mode can't change with a position or an order."""
    await trader.leverage(333)
    assert (await account_of(trader))["positions"][0]["initial_margin_fraction"] == "3.33"
    assert (await trader.leverage(199)).refusal == (400, 21113)
    assert (await trader.leverage(10_001)).refusal == (400, 21113)
    assert (await trader.leverage(500, mode=2)).refusal == (400, 21613)
    client = await trader.place()
    assert (await trader.leverage(500, mode=1)).refusal == (400, 21132)
    await trader.cancel(client)
    await trader.leverage(500, mode=1)
    assert (await account_of(trader))["positions"][0]["margin_mode"] == 1


async def test_leverage_chosen_by_the_back_door_is_shown_and_kept(sim, trader):
    """Eightfold isolated is 12.50 percent, in a market never traded; a market listed later changes nothing of it."""
    sim.exchange.set_margin(str(trader.index), "SOL", leverage=D(8), mode=MarginMode.ISOLATED)
    assert [(row["symbol"], row["initial_margin_fraction"]) for row in (await account_of(trader))["positions"]] == [
        ("SOL", "12.50")
    ]
    sim.control.list_market("NEW", like="SOL")
    shown = (await account_of(trader))["positions"]
    assert [(row["symbol"], row["initial_margin_fraction"], row["margin_mode"]) for row in shown] == [
        ("SOL", "12.50", 1)
    ]
    assert sim.exchange.margin_setting(str(trader.index), "SOL").leverage == 8
    assert sim.exchange.margin_setting(str(trader.index), "NEW").leverage == 20


@pytest.mark.parametrize(("leverage", "shown"), [(7, "14.28"), (3, "33.33"), (38, "2.63"), (1, "100.00")])
async def test_a_leverage_that_does_not_divide_is_shown_as_its_fraction_rounded_down(sim, trader, leverage, shown):
    """10,000 / 7 is kept as 1428; and what was chosen as a fraction is shown as that fraction."""
    sim.exchange.set_margin(str(trader.index), "ETH", leverage=D(leverage))
    assert (await account_of(trader))["positions"][0]["initial_margin_fraction"] == shown
    for fraction in (1428, 263, 3333, 9999):
        await trader.leverage(fraction)
        assert (await account_of(trader))["positions"][0]["initial_margin_fraction"] == f"{D(fraction) / 100:.2f}"


async def test_a_market_s_least_fraction_is_everybody_s(sim, trader):
    """When it rises above what an account chose, the account's margin follows as soon as anything is asked."""
    await trader.leverage(250)
    sim.control.change_market("ETH", initial_margin=D("0.1"), maintenance_margin=D("0.05"))
    await account_of(trader)
    assert sim.exchange.margin_setting(str(trader.index), "ETH").leverage == 10
    assert (await trader.leverage(999)).refusal == (400, 21113)


async def test_margin_moves_behind_isolated_positions_only(sim, trader, quote):
    """400.01 at 5 percent sets 20.0005 aside; of five more all can be taken back that a loss of 0.01 leaves."""
    quote()
    assert (await trader.margin(1)).refusal == (400, 21613)
    await trader.leverage(500, mode=1)
    assert (await trader.margin(1)).refusal == (400, 21614)
    await trader.take()
    await trader.margin(5_000_000)
    assert D((await account_of(trader))["positions"][0]["allocated_margin"]) == D("25.0005")
    await trader.margin(4_990_000, direction=0)
    assert D((await account_of(trader))["positions"][0]["allocated_margin"]) == D("20.0105")
    fate = await trader.fate(await trader.margin(10_000_000, direction=0))
    assert (fate["status"], fate["event"]["ae"]) == (0, "not enough collateral")
    assert (await trader.margin(1, direction=2)).refusal == (400, 21615)
    assert (await trader.margin(0)).refusal == (400, 21300)


@pytest.mark.parametrize("rate", [D("0.000012"), D("-0.000003")])
async def test_rate_times_notional_is_the_payment_from_every_source(sim, trader, quote, rate):
    """Long 1 at a mark of 4000: the payment is -rate * 4000, and each source's rate leads to it."""
    quote()
    await trader.take(BaseAmount=10_000)
    sim.control.set_funding_rate("ETH", rate)
    sim.control.advance(timedelta(hours=1))
    expected = -rate * 4000
    ledger = sim.exchange.funding_payments(str(trader.index))
    assert [payment.amount for payment in ledger] == [expected]
    row = (await trader.get("positionFunding", account_index=trader.index, limit=10))["position_fundings"][0]
    assert (D(row["change"]), row["position_side"], row["position_size"]) == (expected, "long", "1.0000")
    now = sim.venue.now_ms()
    settled = (
        await trader.get(
            "fundings", market_id=0, resolution="1h", start_timestamp=0, end_timestamp=now + 1, count_back=0
        )
    )["fundings"][-1]
    sign = 1 if settled["direction"] == "long" else -1
    assert -sign * D(settled["rate"]) / 100 * 4000 == expected
    assert -sign * D(settled["value"]) == expected
    rates = (await trader.get("funding-rates"))["funding_rates"]
    own = next(r["rate"] for r in rates if (r["market_id"], r["exchange"]) == (0, "lighter"))
    assert -own / 8 * 4000 == expected
    paid = (await account_of(trader))["positions"][0]["total_funding_paid_out"]
    assert D(paid) == -expected


async def test_trades_and_inactive_orders_come_in_pages(trader, quote):
    """The cursor leads on to older ones, and is empty at the end."""
    quote()
    for _ in range(3):
        await trader.take()
    for name, extra, rows in (
        ("trades", {"sort_by": "timestamp"}, "trades"),
        ("accountInactiveOrders", {}, "orders"),
    ):
        seen, cursor = [], ""
        for _ in range(3):
            answer = await trader.get(name, account_index=trader.index, limit=1, cursor=cursor, **extra)
            seen += [row.get("trade_id") or row["order_index"] for row in answer[rows]]
            cursor = answer["next_cursor"]
        assert len(set(seen)) == 3
        assert cursor == ""
    for name, extra in (("trades", {"sort_by": "timestamp"}), ("accountInactiveOrders", {}), ("positionFunding", {})):
        refused = await trader.get(name, account_index=trader.index, limit=1, cursor="x", **extra)
        assert refused.refusal == (400, 20001)


async def test_trades_are_sifted_by_order_role_and_kind(trader, other):
    """A rested sell that the other bought."""
    sold = await trader.place(IsAsk=1, Price=400_000)
    await other.take()
    number = (await trader.order(sold))["order_index"]
    query = {"account_index": trader.index, "sort_by": "timestamp", "limit": 10}
    for sifted, count in (
        ({"order_index": number}, 1),
        ({"order_index": number + 1}, 0),
        ({"role": "maker"}, 1),
        ({"role": "taker"}, 0),
        ({"ask_filter": 1}, 1),
        ({"ask_filter": 0}, 0),
        ({"type": "liquidation"}, 0),
        ({"market_id": 1}, 0),
        ({"from": trader.sim.venue.now_ms() + 1}, 0),
    ):
        assert len((await trader.get("trades", **query, **sifted))["trades"]) == count, sifted
    mine = (await trader.get("trades", **query))["trades"][0]
    theirs = (await other.get("trades", **{**query, "account_index": other.index}))["trades"][0]
    assert mine["trade_id"] == theirs["trade_id"]
    public = (await Client.get(trader, "trades", sort_by="trade_id", limit=10, market_id=0))["trades"][0]
    assert "ask_client_id" not in public


async def test_budgets_are_weighted_and_each_has_its_own_minute():
    """24,000 of premium pay 40 ``trades`` of 600; sendTx has a budget of its own; a minute later all is well."""
    async with LocalLighter() as sim, Client(sim, Signer(sim, sim.accounts[0])) as trader:
        for _ in range(40):
            assert (await trader.get("recentTrades", market_id=0, limit=1)).status == 200
        assert (await trader.get("nextNonce", account_index=trader.index, api_key_index=4)).refusal == (429, 23000)
        assert sim.venue.budgets.counted["reads"] == 24_000
        await trader.place()
        sim.control.advance(timedelta(minutes=1))
        assert await nonce_of(trader) == 1


async def test_a_standard_account_has_sixty_requests_whatever_their_weight():
    """And sixty transactions."""
    settings = Settings(tier="standard")
    async with LocalLighter(settings=settings) as sim, Client(sim, Signer(sim, sim.accounts[0])) as trader:
        for _ in range(60):
            assert (await trader.get("orderBooks")).status == 200
        assert (await trader.get("orderBooks")).refusal == (429, 23000)
        for _ in range(60):
            await trader.place()
        assert (await trader.send(14, trader.signer.order())).refusal == (429, 23000)


async def test_volume_earns_the_quota_that_orders_use_up(trader, quote):
    """400.01 of volume are 57 units; a cancel is free and says so."""
    quote()
    await trader.take()
    client = await trader.place()
    cancel = await trader.cancel(client)
    assert "didn't use volume quota" in cancel["message"]
    assert cancel["volume_quota_remaining"] == 1000 - 2 + 57


async def test_in_maintenance_everything_is_503(sim, trader):
    """Reads and transactions."""
    sim.control.set_system_status(SystemStatus.MAINTENANCE)
    assert (await trader.get("orderBooks")).refusal == (503, 29500)
    assert (await trader.send(14, trader.signer.order())).refusal == (503, 29500)
