"""Order commands against a stub: what is sent, what is known afterwards, and what happens to the nonces."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perpkit.core.clock import SystemClock
from perpkit.core.errors import (
    AuthError,
    ConfigError,
    ConnectError,
    CredentialsError,
    InvalidOrderError,
    InvalidRequestError,
    LocalRateLimitError,
    NotSentError,
    OrderNotFoundError,
    OrderRejectedError,
    OutcomeUnknownError,
    RateLimitError,
    RejectReason,
)
from perpkit.core.models import (
    CancelStatus,
    MarginMode,
    Order,
    OrderIntent,
    OrderRef,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from tests.adapters.lighter.conftest import EXAMPLES
from tests.adapters.lighter.stub import ACCOUNT, KEY, Says, StubVenue, hash_of, no

D = Decimal
REST = EXAMPLES["rest"]
ETH = "ETH-USDC-PERP@lighter"
ORDER = REST["Orders"]["orders"][0]


@pytest.fixture
async def stub():
    async with StubVenue() as stub:
        yield stub


def intent(**changes):
    fields = {"market_id": ETH, "side": Side.BUY, "size": D("0.1"), "price": D(4000)}
    return OrderIntent(**{**fields, **changes})


def nonces(stub):
    return [each.tx["Nonce"] for each in stub.sent]


def fate(**changes):
    """What ``GET /tx`` says of any transaction."""
    return lambda asked: Says({"code": 200, "hash": asked.query["value"], "type": 14, "status": 2, **changes})


# Placing


async def test_an_order_that_the_api_took_is_pending_and_no_more(stub):
    """200 is no order: what became of it is told later."""
    async with stub.open() as venue:
        order = await venue.place_order(intent(client_order_id="1001"))
    sent = stub.sent[0]
    assert (sent.form["tx_type"], sent.tx["AccountIndex"], sent.tx["Nonce"]) == ("14", ACCOUNT, 7)
    assert (sent.tx["ClientOrderIndex"], sent.tx["BaseAmount"], sent.tx["Price"]) == (1001, 1000, 400000)
    assert sent.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert (order.status, order.client_order_id, order.venue_order_id) == (OrderStatus.PENDING, "1001", None)
    assert order.expires_at is not None


async def test_an_id_that_the_face_chose_is_the_venues_number(stub):
    """Where the user gives none."""
    async with stub.open() as venue:
        order = await venue.place_order(intent())
    assert stub.sent[0].tx["ClientOrderIndex"] == int(order.client_order_id)


async def test_an_expiry_is_counted_from_the_clock_at_sending(stub):
    """28 days from now, not from when anything was imported or opened."""
    async with stub.open() as venue:
        before = datetime.now(UTC)
        await venue.place_order(intent())
    ahead = stub.sent[0].tx["OrderExpiry"] / 1000 - (before + timedelta(days=28)).timestamp()
    assert -1 < ahead < 60


async def test_a_market_order_is_bounded_by_the_best_quote(stub):
    """The venue has none without a worst price: 5 % beyond the best ask of 4050, and never rounded beyond that."""
    stub.say("GET /api/v1/orderBookOrders", REST["OrderBookOrders"])
    async with stub.open() as venue:
        order = await venue.place_order(intent(type=OrderType.MARKET, price=None))
        await venue.place_order(intent(type=OrderType.MARKET, price=None, side=Side.SELL))
    buy, sell = (each.tx for each in stub.sent)
    assert (buy["Type"], buy["TimeInForce"], buy["OrderExpiry"]) == (1, 0, 0)
    assert buy["Price"] == 425250
    assert sell["Price"] == 379991  # 3999.90 x 0.95 = 3799.905, up to the tick
    assert order.time_in_force is TimeInForce.IOC


async def test_a_market_order_with_a_bound_of_its_own_is_a_limit_order_for_now(stub):
    """The face turns it into one; 1 % of 4050."""
    stub.say("GET /api/v1/orderBookOrders", REST["OrderBookOrders"])
    async with stub.open() as venue:
        await venue.place_order(intent(type=OrderType.MARKET, price=None, max_slippage=D("0.01")))
    tx = stub.sent[0].tx
    assert (tx["Type"], tx["TimeInForce"], tx["Price"], tx["OrderExpiry"]) == (0, 0, 409050, 0)


async def test_a_market_order_into_an_empty_side_is_not_sent(stub):
    """There is nothing to bound it by."""
    stub.say("GET /api/v1/orderBookOrders", {"code": 200, "asks": None, "bids": []})
    async with stub.open() as venue:
        with pytest.raises(InvalidOrderError, match="no asks"):
            await venue.place_order(intent(type=OrderType.MARKET, price=None))
    assert not stub.sent


async def test_a_triggered_market_order_is_bounded_by_its_trigger(stub):
    """5 % below 3900 for a sell."""
    async with stub.open() as venue:
        await venue.place_order(
            intent(type=OrderType.STOP_MARKET, price=None, side=Side.SELL, trigger_price=D(3900), reduce_only=True)
        )
    tx = stub.sent[0].tx
    assert (tx["Type"], tx["TriggerPrice"], tx["Price"], tx["ReduceOnly"]) == (2, 390000, 370500, 1)


async def test_no_integrator_takes_a_fee(stub):
    """Unless asked for, and there is no way to ask."""
    async with stub.open() as venue:
        await venue.place_order(intent())
    assert stub.sent[0].tx["L2TxAttributes"] is None


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (21739, "not enough margin to create the order", RejectReason.MARGIN),
        (21728, "client order index already exists", RejectReason.DUPLICATE_CLIENT_ID),
        (21120, "invalid signature", RejectReason.INVALID_SIGNATURE),
    ],
)
async def test_a_refusal_of_the_api_is_a_rejection_and_uses_no_nonce(stub, code, message, reason):
    """The next order has the same nonce, without asking for it."""
    stub.say("POST /api/v1/sendTx", no(code, message), stub.take)
    async with stub.open() as venue:
        with pytest.raises(OrderRejectedError, match=message) as caught:
            await venue.place_order(intent(client_order_id="5"))
        await venue.place_order(intent())
    assert (caught.value.reason, caught.value.code, caught.value.client_order_id) == (reason, code, "5")
    assert nonces(stub) == [7, 7]
    assert len(stub.requests("GET /api/v1/nextNonce")) == 1


@pytest.mark.parametrize("answer", [no(23000, "Too Many Requests!", 429), no(23000, "Too Many Requests!"), no(21506)])
async def test_a_rate_limit_refuses_before_anything_is_done(stub, answer):
    """The documentation counts it among the refusals that use no nonce."""
    stub.say("POST /api/v1/sendTx", answer)
    async with stub.open() as venue:
        with pytest.raises(RateLimitError):
            await venue.place_order(intent())


@pytest.mark.parametrize(
    "answer",
    [
        Says(drop=True),
        Says("<html>bad gateway</html>", 502),
        Says({"code": 29500, "message": "internal server error"}, 500),
        Says({"code": 29501, "message": "process timeout"}, 400),
        Says({"code": 200, "tx_hash": "ab" * 40}),
        Says("not json at all", 200),
        Says({"code": 200}),
    ],
)
async def test_what_proves_nothing_is_an_unknown_outcome_and_the_nonce_is_read_again(stub, answer):
    """It may have been taken: the next order must not be one off, whichever way it went."""
    stub.say("POST /api/v1/sendTx", answer, stub.take)
    async with stub.open() as venue:
        with pytest.raises(OutcomeUnknownError) as caught:
            await venue.place_order(intent(client_order_id="5"))
        stub.nonces[4] = 8  # it had been taken
        await venue.place_order(intent())
    assert caught.value.client_order_id == "5"
    assert nonces(stub) == [7, 8]


async def test_a_time_out_is_an_unknown_outcome(stub):
    """The same, after the user's own bound."""
    stub.say("POST /api/v1/sendTx", Says(hang=True), stub.take)
    async with stub.open(request_timeout=0.2) as venue:
        with pytest.raises(OutcomeUnknownError):
            await venue.place_order(intent())
        await venue.place_order(intent())
    assert len(stub.requests("GET /api/v1/nextNonce")) == 2


async def test_a_canceled_send_reads_the_nonce_again(stub):
    """Its outcome is as unknown as any."""
    stub.say("POST /api/v1/sendTx", Says(hang=True), stub.take)
    async with stub.open() as venue:
        task = asyncio.ensure_future(venue.place_order(intent()))
        await stub.came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stub.nonces[4] = 8
        await venue.place_order(intent())
    assert nonces(stub) == [7, 8]


class Pauses(SystemClock):
    """The machine's clock, on which nobody waits."""

    def __init__(self):
        self.made = []

    async def sleep(self, seconds):
        self.made.append(seconds)


async def test_a_nonce_found_wrong_is_read_again_and_the_order_signed_anew(stub):
    """Refused for its nonce, it was certainly not taken: the same order, under the same id, at once."""
    clock = Pauses()
    async with stub.open(clock=clock) as venue:
        await venue.place_order(intent())
        stub.nonces[4] = 7  # the sequencer did not count the first one
        await venue.place_order(intent(client_order_id="5"))
        stub.nonces[4] = 20  # and here somebody else used the key
        await venue.place_order(intent())
    assert nonces(stub) == [7, 8, 7, 8, 20]
    assert not clock.made
    assert [each.tx["ClientOrderIndex"] for each in stub.sent][1:3] == [5, 5]


async def test_a_nonce_that_stays_wrong_is_given_up_with_a_reason(stub):
    """Where the venue hands out again what it refuses, it may lag: there is a pause, and a bound. Nothing was taken."""
    clock = Pauses()
    stub.say("POST /api/v1/sendTx", no(21104, "invalid nonce"))
    async with stub.open(clock=clock) as venue:
        with pytest.raises(OrderRejectedError, match="an API key of its own"):
            await venue.place_order(intent())
    assert len(stub.sent) == 3
    assert len(clock.made) == 2


async def test_a_nonce_that_can_not_be_read_sends_nothing(stub):
    """Safe to repeat, and it says so."""
    stub.say("GET /api/v1/nextNonce", Says("<html>", 502))
    async with stub.open() as venue:
        with pytest.raises(NotSentError, match="the nonce could not be read"):
            await venue.place_order(intent())
    assert not stub.sent


async def test_where_nobody_listens_nothing_was_sent(stub):
    """No connection, so nothing can have taken effect."""
    async with stub.open() as venue:
        await venue.fetch_markets()
        await stub.__aexit__()
        with pytest.raises(NotSentError) as caught:
            await venue.place_order(intent())
    assert isinstance(caught.value, ConnectError)


@pytest.mark.parametrize("keys", [1, 3])
async def test_many_orders_at_once_leave_no_gap(stub, keys):
    """Each key's nonces count up by one, whatever is refused in between; several keys share the work."""
    turn = iter(range(1000))

    def moody(asked):
        return no(21739) if next(turn) % 4 == 1 else stub.take(asked)

    stub.say("POST /api/v1/sendTx", moody)
    given = {4 + number: KEY for number in range(keys)}
    async with stub.open(api_keys=given, account_index=ACCOUNT) as venue:
        results = await asyncio.gather(*(venue.place_order(intent()) for _ in range(24)), return_exceptions=True)
    taken = [each for each in results if isinstance(each, Order)]
    assert len(taken) == 18
    assert all(isinstance(each, Order | OrderRejectedError) for each in results)
    assert {index: stub.nonces[index] - 7 for index in given} == {
        index: sum(each.tx["ApiKeyIndex"] == index for each in stub.sent) - refused(stub, results, index)
        for index in given
    }
    assert sum(stub.nonces[index] - 7 for index in given) == 18
    assert all(stub.nonces[index] > 7 for index in given)


def refused(stub, results, index):
    """How many of a key's sends were not taken."""
    sent = [each.tx for each in stub.sent if each.tx["ApiKeyIndex"] == index]
    return len(sent) - len({each["Nonce"] for each in sent if each["Nonce"] < stub.nonces[index]})


async def test_a_restart_goes_on_where_the_venue_is(stub):
    """The counter is the venue's; nothing is kept here."""
    for _ in range(2):
        async with stub.open() as venue:
            await venue.place_order(intent())
            await venue.place_order(intent())
    assert nonces(stub) == [7, 8, 9, 10]


async def test_a_cancel_goes_through_the_key_that_sent_its_order(stub):
    """Otherwise it could overtake it."""
    async with stub.open(api_keys={4: KEY, 5: KEY}, account_index=ACCOUNT) as venue:
        orders = [await venue.place_order(intent()) for _ in range(4)]
        for order in (orders[0], orders[2], orders[3], orders[1]):
            await venue.cancel_order(order)
    assert [each.tx["ApiKeyIndex"] for each in stub.sent] == [4, 5, 4, 5, 4, 4, 5, 5]


async def test_a_read_only_token_places_nothing(stub):
    """It can't sign; the error says what is needed."""
    token = f"ro:{ACCOUNT}:single:4000000000:{'ab' * 80}"
    async with stub.open(readonly_token=token) as venue:
        with pytest.raises(CredentialsError, match="a read-only token can't sign"):
            await venue.place_order(intent())
    assert not stub.sent


async def test_orders_leave_room_for_cancels(stub):
    """On a standard account 54 of 60 transactions a minute may be orders; one more is not sent, a cancel still is."""
    async with stub.open(tier="standard") as venue:
        await venue.fetch_markets()
        orders = await asyncio.gather(*(venue.place_order(intent()) for _ in range(60)), return_exceptions=True)
        assert sum(isinstance(each, Order) for each in orders) == 54
        assert sum(isinstance(each, LocalRateLimitError) for each in orders) == 6
        result = await venue.cancel_order(OrderRef(market_id=ETH, client_order_id="5"))
    assert result.status is CancelStatus.REQUESTED
    assert len(stub.sent) == 55


# Batches


async def test_a_batch_is_one_request_with_nonces_in_a_row(stub):
    """Types and infos are JSON texts; each order is pending."""
    async with stub.open() as venue:
        orders = await venue.place_orders([intent(client_order_id=str(n)) for n in (1, 2, 3)])
        await venue.place_order(intent())
    (batch,) = stub.requests("POST /api/v1/sendTxBatch")
    assert batch.form["tx_types"] == "[14,14,14]"
    assert [tx["Nonce"] for tx in batch.txs] == [7, 8, 9]
    assert [(each.client_order_id, each.status) for each in orders] == [
        (str(n), OrderStatus.PENDING) for n in (1, 2, 3)
    ]
    assert nonces(stub) == [10]


async def test_a_batch_without_an_answer_is_unknown_for_each(stub):
    """And the nonces are read again."""
    stub.say("POST /api/v1/sendTxBatch", Says(drop=True))
    async with stub.open() as venue:
        results = await venue.place_orders([intent(client_order_id=str(n)) for n in (1, 2)])
    assert [type(each) for each in results] == [OutcomeUnknownError] * 2
    assert [each.client_order_id for each in results] == ["1", "2"]


async def test_a_batch_refused_for_one_of_its_orders_costs_the_others_nothing(stub):
    """The API takes or refuses a batch whole: none was taken, so each goes by itself, under the id that it had."""
    stub.say("POST /api/v1/sendTxBatch", no(21728, "client order index already exists"))
    stub.say("POST /api/v1/sendTx", stub.take, no(21728, "client order index already exists"), stub.take)
    async with stub.open() as venue:
        results = await venue.place_orders([intent(client_order_id=str(n)) for n in (1, 2, 3)])
    assert [type(each) for each in results] == [Order, OrderRejectedError, Order]
    assert [each.tx["ClientOrderIndex"] for each in stub.sent] == [1, 2, 3]
    assert nonces(stub) == [7, 8, 8]


# Canceling


@pytest.mark.parametrize(
    ("names", "index"),
    [
        ({"client_order_id": "1001"}, 1001),
        ({"venue_order_id": "281476977000123", "client_order_id": "1001"}, 281476977000123),
    ],
)
async def test_a_cancel_is_requested_and_not_confirmed(stub, names, index):
    """The order's own update confirms it."""
    async with stub.open() as venue:
        result = await venue.cancel_order(OrderRef(market_id=ETH, **names))
    assert result.status is CancelStatus.REQUESTED
    assert (stub.sent[0].form["tx_type"], stub.sent[0].tx["Index"]) == ("15", index)


@pytest.mark.parametrize("code", [21600, 21700, 21709, 21715])
async def test_a_cancel_of_what_is_gone_is_told_apart(stub, code):
    """Which is no proof of what became of it."""
    stub.say("POST /api/v1/sendTx", no(code))
    async with stub.open() as venue:
        with pytest.raises(OrderNotFoundError):
            await venue.cancel_order(OrderRef(market_id=ETH, client_order_id="5"))


async def test_several_cancels_are_a_batch_and_one_by_one_where_one_is_gone(stub):
    """One that is gone must not keep the others standing."""
    refs = [OrderRef(market_id=ETH, client_order_id=str(n)) for n in (1, 2, 3)]
    async with stub.open() as venue:
        results = await venue.cancel_orders(refs)
        assert [each.status for each in results] == [CancelStatus.REQUESTED] * 3
        stub.say("POST /api/v1/sendTxBatch", no(21709, "order is inactive"))
        stub.say("POST /api/v1/sendTx", stub.take, no(21709, "order is inactive"), stub.take)
        results = await venue.cancel_orders(refs)
    assert [type(each).__name__ for each in results] == ["CancelResult", "OrderNotFoundError", "CancelResult"]


@pytest.mark.parametrize(("market", "attributes"), [(None, None), (ETH, {"5": 0})])
async def test_canceling_all_keeps_its_scope(stub, market, attributes):
    """Market 0 is a market; without one it is the account."""
    async with stub.open() as venue:
        await venue.cancel_all_orders(market)
    tx = stub.sent[0].tx
    assert (stub.sent[0].form["tx_type"], tx["TimeInForce"], tx["Time"], tx["L2TxAttributes"]) == (
        "16",
        0,
        0,
        attributes,
    )
    assert stub.requests("GET /api/v1/tx")[0].query == {"by": "hash", "value": hash_of(stub.sent[0].form["tx_info"])}


async def test_canceling_all_that_the_sequencer_refused_is_no_success(stub):
    """200 was not the end of it."""
    stub.say("GET /api/v1/tx", fate(status=0, event_info='{"ae":"account is in liquidation"}'))
    async with stub.open() as venue:
        with pytest.raises(OrderRejectedError, match="account is in liquidation"):
            await venue.cancel_all_orders()


async def test_a_fate_that_is_not_told_is_unknown(stub):
    """Pending for as long as we look."""
    stub.say("GET /api/v1/tx", no(21500, "transaction not found"), fate(status=1))
    async with stub.open(settle_timeout=0.2) as venue:
        with pytest.raises(OutcomeUnknownError, match="whether it was carried out"):
            await venue.cancel_all_orders()


# The dead man's switch


async def test_the_switch_is_a_scheduled_cancel_of_all(stub):
    """In milliseconds from now."""
    async with stub.open() as venue:
        before = datetime.now(UTC)
        await venue.set_dead_man_switch(timedelta(minutes=10))
    tx = stub.sent[0].tx
    assert tx["TimeInForce"] == 1
    assert -1 < tx["Time"] / 1000 - (before + timedelta(minutes=10)).timestamp() < 60


async def test_setting_the_switch_anew_takes_the_old_one_off_first(stub):
    """One at a time may stand: off, carried out, and only then on again."""
    account = {**REST["DetailedAccounts"]["accounts"][0], "cancel_all_time": 1798999999000}
    stub.say("GET /api/v1/account", {"code": 200, "accounts": [account]})
    async with stub.open() as venue:
        await venue.set_dead_man_switch(timedelta(minutes=10))
        await venue.set_dead_man_switch(None)
    assert [each.tx["TimeInForce"] for each in stub.sent] == [2, 1, 2]
    paths = [each.path.rpartition("/")[2] for each in stub.asked]
    assert paths[paths.index("sendTx") :][:3] == ["sendTx", "tx", "sendTx"]


async def test_switching_off_what_is_not_on_sends_nothing(stub):
    """The account says that none stands."""
    async with stub.open() as venue:
        await venue.set_dead_man_switch(None)
    assert not stub.sent


@pytest.mark.parametrize("after", [timedelta(minutes=4), timedelta(days=16)])
async def test_a_switch_outside_the_venues_window_is_refused_here(stub, after):
    """5 minutes to 15 days."""
    async with stub.open() as venue:
        with pytest.raises(ConfigError, match="5 minutes to 15 days"):
            await venue.set_dead_man_switch(after)
    assert not stub.sent


# Amending


def standing():
    return Order(
        market_id=ETH,
        venue_order_id="281476977000123",
        client_order_id="1001",
        side=Side.SELL,
        type=OrderType.LIMIT,
        status=OrderStatus.OPEN,
        size=D("0.1"),
        price=D(4050),
        ts_received=datetime(2026, 1, 1, tzinfo=UTC),
    )


async def test_an_amendment_is_followed_to_its_end(stub):
    """What REST shows late is filled in: the sequencer has carried it out."""
    stub.say("GET /api/v1/accountOrders", REST["Orders"])
    async with stub.open() as venue:
        await venue.fetch_markets()
        order = standing()
        changed = await venue.amend_order(order, price=D(4060))
    assert (stub.sent[0].form["tx_type"], stub.sent[0].tx["Price"], stub.sent[0].tx["BaseAmount"]) == (
        "17",
        406000,
        1000,
    )
    assert (changed.price, changed.filled_size) == (D(4060), D("0.04"))


async def test_an_amendment_that_the_sequencer_refused_leaves_the_order(stub):
    """It raises, and says that the order stands as it was."""
    stub.say("GET /api/v1/tx", fate(type=17, status=2, event_info='{"ae":"order is inactive"}'))
    async with stub.open() as venue:
        with pytest.raises(OrderRejectedError, match="order is inactive; the order stands as it was"):
            await venue.amend_order(standing(), price=D(4060))


# The fate of an order that became none


async def test_an_order_that_the_sequencer_dropped_is_found_as_rejected(stub):
    """No row of it exists; its transaction says why."""
    for path in ("accountOrders", "accountActiveOrders", "accountInactiveOrders"):
        stub.say(f"GET /api/v1/{path}", {"code": 200, "orders": []})

    def dropped(asked):
        info = stub.sent[0].form["tx_info"]
        said = {"hash": asked.query["value"], "type": 14, "status": 0, "info": info, "executed_at": 1798999401152}
        return Says({"code": 200, **said, "event_info": '{"ae":"reduce only increases position"}'})

    stub.say("GET /api/v1/tx", dropped)
    async with stub.open() as venue:
        sent = await venue.place_order(intent(client_order_id="1001", reduce_only=True))
        order = await venue.fetch_order(sent.ref)
    assert (order.status, order.reject_reason) == (OrderStatus.REJECTED, RejectReason.REDUCE_ONLY)
    assert (order.size, order.price, order.reduce_only) == (D("0.1"), D(4000), True)


async def test_a_second_order_of_one_id_never_ends_the_first(stub):
    """The sequencer refuses it; by that id goes the first, which stands."""
    for path in ("accountOrders", "accountActiveOrders", "accountInactiveOrders"):
        stub.say(f"GET /api/v1/{path}", {"code": 200, "orders": []})

    def refused_as_second(asked):
        info = stub.sent[0].form["tx_info"]
        return fate(status=0, info=info, event_info='{"ae":"client order index already exists"}')(asked)

    stub.say("GET /api/v1/tx", refused_as_second)
    async with stub.open() as venue:
        sent = await venue.place_order(intent(client_order_id="1001"))
        with pytest.raises(OrderNotFoundError):
            await venue.fetch_order(sent.ref)


# Leverage


async def test_a_leverage_is_set_and_read_back(stub):
    """The fraction is signed; what the venue then says is returned, and the mode kept."""
    row = REST["DetailedAccounts"]["accounts"][0]

    def account(asked):
        percent = "14.28" if stub.sent else "5.00"
        position = {**row["positions"][0], "initial_margin_fraction": percent}
        return Says({"code": 200, "accounts": [{**row, "positions": [position]}]})

    stub.say("GET /api/v1/account", account)
    async with stub.open() as venue:
        setting = await venue.set_leverage(ETH, D(7))
    tx = stub.sent[0].tx
    assert (stub.sent[0].form["tx_type"], tx["InitialMarginFraction"], tx["MarginMode"]) == ("20", 1428, 0)
    assert (setting.leverage, setting.margin_mode) == (D(7), MarginMode.CROSS)


async def test_a_margin_mode_that_can_not_change_now_says_what_to_do(stub):
    """The venue wants the market empty."""
    stub.say(
        "POST /api/v1/sendTx", no(21132, "margin mode change on a market with position or open order is not allowed")
    )
    async with stub.open() as venue:
        with pytest.raises(InvalidRequestError, match="close the position"):
            await venue.set_margin_mode(ETH, MarginMode.ISOLATED)
    assert (stub.sent[0].tx["MarginMode"], stub.sent[0].tx["InitialMarginFraction"]) == (1, 500)


@pytest.mark.parametrize(("amount", "units", "direction"), [("25.5", 25_500_000, 1), (-3, 3_000_000, 0)])
async def test_margin_moves_in_millionths_to_and_from_a_position(stub, amount, units, direction):
    """Direction 1 adds, 0 takes away; it returns once the sequencer has done it."""
    async with stub.open() as venue:
        await venue.adjust_margin(ETH, amount)
    tx = stub.sent[0].tx
    assert stub.sent[0].form["tx_type"] == "29"
    assert (tx["MarketIndex"], tx["USDCAmount"], tx["Direction"]) == (0, units, direction)
    assert [each.path for each in stub.asked][-1] == "/api/v1/tx"


@pytest.mark.parametrize("amount", [0, "0.0000001", "nan", 0.5])
async def test_an_amount_that_can_not_be_moved_is_not_sent(stub, amount):
    """Nothing, less than a millionth, no number, a float."""
    async with stub.open() as venue:
        with pytest.raises(InvalidOrderError, match="amount"):
            await venue.adjust_margin(ETH, amount)
    assert not stub.sent


async def test_a_key_that_was_replaced_elsewhere_is_named(stub):
    """21108 on the next transaction."""
    stub.say("POST /api/v1/sendTx", no(21108, "invalid PublicKey,please run changePubKey"))
    async with stub.open() as venue:
        with pytest.raises(AuthError, match="another key by now"):
            await venue.cancel_order(OrderRef(market_id=ETH, client_order_id="5"))
