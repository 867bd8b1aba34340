"""Placing, batches, amending, and the fate of an order that became none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from perpkit.core.errors import (
    CredentialsError,
    InvalidOrderError,
    NotSentError,
    OrderNotFoundError,
    OrderRejectedError,
    OutcomeUnknownError,
    RateLimitError,
    RejectReason,
)
from perpkit.core.models import Order, OrderStatus, OrderType, Side, TimeInForce
from tests.adapters.lighter.orders import ETH, REST, D, fate, intent, nonces
from tests.adapters.lighter.stub import ACCOUNT, Says, no

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


@pytest.mark.parametrize("price", ["1e999999999", "-1e999999999", "0", "-4050.00", "NaN"])
async def test_a_market_order_is_not_sent_where_the_best_quote_is_no_price(stub, price):
    """Nor where nobody can compute with it."""
    (row,) = REST["OrderBookOrders"]["asks"][:1]
    stub.say("GET /api/v1/orderBookOrders", {**REST["OrderBookOrders"], "asks": [{**row, "price": price}]})
    async with stub.open() as venue:
        with pytest.raises(NotSentError, match="the best quote could not be read"):
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


async def test_a_read_only_token_places_nothing(stub):
    """It can't sign; the error says what is needed."""
    token = f"ro:{ACCOUNT}:single:4000000000:{'ab' * 80}"
    async with stub.open(readonly_token=token) as venue:
        with pytest.raises(CredentialsError, match="a read-only token can't sign"):
            await venue.place_order(intent())
    assert not stub.sent


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
