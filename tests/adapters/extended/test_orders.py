"""Order commands against a stub: three outcomes and never two, and where an order is looked for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perpkit.core.clock import to_ms
from perpkit.core.errors import (
    AuthError,
    CapabilityError,
    InvalidOrderError,
    NotSentError,
    OrderNotFoundError,
    OrderRejectedError,
    OutcomeUnknownError,
    RejectReason,
    VenueUnavailableError,
)
from perpkit.core.models import CancelStatus, OrderIntent, OrderRef, OrderStatus, OrderType, Side, TimeInForce
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from tests.adapters.extended.stub import FEES, MARKET_ROW, Says, StubVenue, no, ok
from tests.adapters.extended.test_decode import order_row
from tests.core.clocks import START, ManualClock

MARKET_ID = "BTC-USD-PERP@extended"
OLD = 2051700000000000002


def intent(**fields):
    base = {"market_id": MARKET_ID, "side": Side.BUY, "size": "0.02", "price": "83900", "client_order_id": "c-1"}
    return OrderIntent(**{name: value for name, value in {**base, **fields}.items() if value is not None})


def accept(asked):
    """Take an order as the gateway does: an id, and nothing of what the engine will make of it."""
    return ok({"id": 2051700000000009999, "externalId": asked.body["id"]})


@pytest.fixture
async def stub():
    async with StubVenue() as server:
        server.say("POST /user/order", accept)
        server.say("GET /info/markets/BTC-USD/stats", ok(MARKET_ROW["marketStats"]))
        yield server


def sent(stub):
    return [each.body for each in stub.requests("POST /user/order")]


# Placing


async def test_an_accepted_order_is_pending(stub):
    """OK means taken; what became of it comes later. Its expiry is shown as what it is: 28 days less an hour."""
    async with stub.open(clock=ManualClock()) as venue:
        order = await venue.place_order(intent())
    assert (order.status, order.venue_order_id, order.client_order_id) == (
        OrderStatus.PENDING,
        "2051700000000009999",
        "c-1",
    )
    assert order.time_in_force is TimeInForce.GTD
    assert order.expires_at == START + timedelta(days=27, hours=23)
    (body,) = sent(stub)
    assert body["expiryEpochMillis"] == int(order.expires_at.timestamp() * 1000)


@pytest.mark.parametrize(
    ("fields", "fee"), [({"post_only": True}, "0"), ({}, "0.00025"), ({"time_in_force": TimeInForce.IOC}, "0.00025")]
)
async def test_the_signed_fee_is_the_accounts_own(stub, venue, fields, fee):
    """The maker's rate for what can only make, the taker's for all else; read once for many orders."""
    await venue.place_order(intent(**fields))
    await venue.place_order(intent(**fields, client_order_id="c-2"))
    assert [body["fee"] for body in sent(stub)] == [fee, fee]
    assert len(stub.requests("GET /user/fees")) == 1


async def test_a_fee_that_was_too_low_is_read_again_for_the_next_order(stub, venue):
    """1128 is a refusal of that order; it isn't sent again by itself."""
    stub.say("POST /user/order", no(1128), accept)
    with pytest.raises(OrderRejectedError) as caught:
        await venue.place_order(intent())
    assert caught.value.code == 1128
    stub.say("GET /user/fees", ok([{**FEES[0], "takerFeeRate": "0.0005"}]))
    await venue.place_order(intent(client_order_id="c-2"))
    assert [body["fee"] for body in sent(stub)] == ["0.00025", "0.0005"]


async def test_no_two_orders_have_one_nonce(stub, venue):
    """Also those that leave at the same time."""
    await asyncio.gather(*(venue.place_order(intent(client_order_id=f"c-{n}")) for n in range(20)))
    nonces = [int(body["nonce"]) for body in sent(stub)]
    assert len(set(nonces)) == 20
    assert all(0 < nonce < 2**31 for nonce in nonces)


async def test_a_market_order_without_a_bound_gets_the_venues_own(stub):
    """84011 x 1.0075 = 84641 on the tick; its life is a minute, so that an unknown one is soon decided."""
    async with stub.open(clock=ManualClock()) as venue:
        order = await venue.place_order(intent(type=OrderType.MARKET, price=None))
    (body,) = sent(stub)
    assert (body["type"], body["timeInForce"], body["price"]) == ("MARKET", "IOC", "84641")
    assert order.time_in_force is TimeInForce.IOC
    assert order.expires_at == START + timedelta(minutes=1)


async def test_an_expiry_is_the_one_that_was_asked_for(stub, venue):
    """From the intent, and never from when a module was imported."""
    until = datetime(2026, 12, 24, 18, tzinfo=UTC)
    await venue.place_order(intent(time_in_force=TimeInForce.GTD, expires_at=until))
    assert sent(stub)[0]["expiryEpochMillis"] == int(until.timestamp() * 1000)


async def test_a_window_of_acceptance_bounds_what_never_rests(stub):
    """It is the expiry there; a resting order has none, and says so."""
    window = timedelta(seconds=20)
    async with stub.open(clock=ManualClock()) as venue:
        order = await venue.place_order(intent(time_in_force=TimeInForce.IOC, accept_within=window))
        with pytest.raises(CapabilityError, match="gtd"):
            await venue.place_order(intent(accept_within=window, client_order_id="c-2"))
    assert order.expires_at == START + window
    assert [body["expiryEpochMillis"] for body in sent(stub)] == [to_ms(START + window)]


async def test_an_order_of_a_quotes_on_request_market_goes_its_own_way(stub, venue):
    """The same body, another path."""
    stub.say("GET /info/markets", ok([{**MARKET_ROW, "isRfq": True}]))
    stub.say("POST /user/order/rfq", accept)
    await venue.place_order(intent())
    assert sent(stub) == []
    assert len(stub.requests("POST /user/order/rfq")) == 1


# What comes of it


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (no(1140), OrderRejectedError, RejectReason.MARGIN),
        (no(1140, status=200), OrderRejectedError, RejectReason.MARGIN),
        (no(1140, status=422), OrderRejectedError, RejectReason.MARGIN),
        (no(1101), OrderRejectedError, RejectReason.INVALID_SIGNATURE),
        (no(1010, status=503), VenueUnavailableError, None),
        (no(1011), VenueUnavailableError, None),
        (Says(None, 401), AuthError, None),
        (no(1006, status=500), OutcomeUnknownError, None),
        (no(1006), OutcomeUnknownError, None),
        (Says("<html>", 502), OutcomeUnknownError, None),
        (Says("", 500), OutcomeUnknownError, None),
        (Says(None, 429), OutcomeUnknownError, None),
        (Says({"status": "OK"}), OutcomeUnknownError, None),
        (Says({"status": "OK", "data": {"id": "x"}}), OutcomeUnknownError, None),
        (Says('{"status": "OK", "da', 200), OutcomeUnknownError, None),
        (Says(None, 200), OutcomeUnknownError, None),
        (Says({"status": "ERROR", "error": {"code": 4711}}, 500), OutcomeUnknownError, None),
        (Says(drop=True), OutcomeUnknownError, None),
        (Says(hang=True), OutcomeUnknownError, None),
    ],
)
async def test_a_rejection_needs_the_venues_own_words(stub, answer, error, reason):
    """Whatever proves nothing is unknown, with the order's id on it; nothing is sent a second time."""
    stub.say("POST /user/order", answer)
    async with stub.open(request_timeout=timedelta(milliseconds=300)) as venue:
        with pytest.raises(error) as caught:
            await venue.place_order(intent())
    assert getattr(caught.value, "reason", None) is reason
    assert caught.value.client_order_id == "c-1"
    assert len(sent(stub)) == 1


@pytest.mark.parametrize("path", ["GET /user/account/info", "GET /info/starknet", "GET /user/fees"])
@pytest.mark.parametrize("answer", [Says("<html>", 502), Says(None, 429), Says("{", 200), Says(drop=True)])
async def test_what_fails_before_sending_is_not_sent(stub, path, answer):
    """The checks and the fee are read first; whatever they meet, no order has left."""
    answer.headers = {"Retry-After": "0"}
    stub.say(path, answer)
    async with stub.open() as venue:
        with pytest.raises(NotSentError):
            await venue.place_order(intent())
    assert sent(stub) == []


@pytest.mark.parametrize("rate", ["1", "5", "1e999999999"])
async def test_a_fee_that_is_no_fraction_is_not_signed(stub, rate):
    """It would be taken from the collateral; whoever sends such a rate means another unit."""
    stub.say("GET /user/fees", ok([{**FEES[0], "takerFeeRate": rate}]))
    async with stub.open() as venue:
        with pytest.raises(NotSentError, match="is no fraction"):
            await venue.place_order(intent())
    assert sent(stub) == []


async def test_an_unknown_outcome_is_found_by_our_id(stub, venue):
    """The id is known before sending; what the venue says of it decides."""
    stub.say("POST /user/order", Says(drop=True))
    stub.say("GET /user/orders/external/c-1", ok([order_row(externalId="c-1", status="FILLED", filledQty="0.02")]))
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(intent())
    found = await venue.resolve_order(caught.value)
    assert (found.status, found.client_order_id) == (OrderStatus.FILLED, "c-1")


# Finding


async def test_an_order_is_found_by_either_id_and_among_the_closed(stub, venue):
    """An external id may name several orders, of which the newest counts; 404 and an empty list are no answer yet."""
    stub.say(f"GET /user/orders/{OLD}", ok(order_row()))
    assert (await venue.fetch_order(OrderRef(market_id=MARKET_ID, venue_order_id=str(OLD)))).filled_size == Decimal(
        "0.005"
    )
    twice = [order_row(id=7, createdTime=1788264000000, status="CANCELLED"), order_row(id=8)]
    stub.say("GET /user/orders/external/bot7-000001", ok(twice))
    by_ours = OrderRef(market_id=MARKET_ID, client_order_id="bot7-000001")
    assert (await venue.fetch_order(by_ours)).venue_order_id == "8"
    for nothing in (ok([]), no(1004, status=404), Says(None, 404)):
        stub.say("GET /user/orders/external/bot7-000001", nothing)
        stub.say("GET /user/orders/history", ok([order_row(id=9, status="FILLED")], pagination={"count": 1}))
        assert (await venue.fetch_order(by_ours)).venue_order_id == "9"
        assert stub.requests("GET /user/orders/history")[-1].query.get("externalId") == "bot7-000001"


async def test_an_order_that_nobody_knows_is_not_found(stub, venue):
    """Asked for by id, and among the closed."""
    stub.say("GET /user/orders/external/nobody", no(1004, status=404))
    stub.say("GET /user/orders/history", ok([], pagination={"count": 0}))
    with pytest.raises(OrderNotFoundError, match="nobody"):
        await venue.fetch_order(OrderRef(market_id=MARKET_ID, client_order_id="nobody"))


# Canceling


async def test_a_cancel_is_a_request(stub, venue):
    """By the venue's id in the path, by ours in the query; the answer says that it was taken."""
    stub.say("DELETE /user/order/77", Says({"status": "OK"}))
    stub.say("DELETE /user/order", Says(None, 200))
    by_id = await venue.cancel_order(OrderRef(market_id=MARKET_ID, venue_order_id="77"))
    by_ours = await venue.cancel_order(OrderRef(market_id=MARKET_ID, client_order_id="c-1"))
    assert {by_id.status, by_ours.status} == {CancelStatus.REQUESTED}
    assert stub.requests("DELETE /user/order")[0].pairs == [("externalId", "c-1")]
    # A cancel does not wait for the check of the credentials.
    assert stub.requests("GET /user/account/info") == []


async def test_a_cancel_of_what_is_gone_is_not_found(stub, venue):
    """Whether by a 404 or by the code of an edit."""
    for answer in (Says(None, 404), no(1142, status=200)):
        stub.say("DELETE /user/order/77", answer)
        with pytest.raises(OrderNotFoundError):
            await venue.cancel_order(OrderRef(market_id=MARKET_ID, venue_order_id="77"))


async def test_canceling_all_never_mixes_all_with_one_market(stub, venue):
    """``cancelAll`` overrides every filter: with it, one market's cancel would be the account's."""
    stub.say("POST /user/order/massCancel", ok({}))
    await venue.cancel_all_orders("BTC-USD-PERP")
    await venue.cancel_all_orders()
    results = await venue.cancel_orders(
        [
            OrderRef(market_id=MARKET_ID, venue_order_id=str(OLD)),
            OrderRef(market_id=MARKET_ID, client_order_id="c-1"),
        ]
    )
    assert [each.body for each in stub.requests("POST /user/order/massCancel")] == [
        {"markets": ["BTC-USD"]},
        {"cancelAll": True},
        {"orderIds": [OLD], "externalOrderIds": ["c-1"]},
    ]
    assert [each.status for each in results] == [CancelStatus.REQUESTED] * 2


@pytest.mark.parametrize(
    ("after", "seconds"), [(timedelta(seconds=30), "30"), (timedelta(milliseconds=1200), "2"), (None, "0")]
)
async def test_the_dead_man_switch_counts_whole_seconds(stub, venue, after, seconds):
    """Rounded up, never to the 0 that disarms; the answer is empty."""
    stub.say("POST /user/deadmanswitch", Says(None, 200))
    await venue.set_dead_man_switch(after)
    (asked,) = stub.requests("POST /user/deadmanswitch")
    assert (asked.pairs, asked.body) == ([("countdownTime", seconds)], None)


async def test_a_share_of_the_limit_is_kept_for_cancels(stub):
    """With 900 of 1,000 used, reads wait and a cancel goes through."""
    stub.say("DELETE /user/order/77", Says({"status": "OK"}))
    limits = RateLimiterRegistry()
    async with stub.open() as venue:
        limiter = venue._context.limits.limiter(stub.url.split("/")[2], [])
        assert limiter is not limits
        buckets = [each for key, each in venue._context.limits._buckets.items() if key[3] == "rest"]
        for _ in range(900):
            buckets[0].take(1, venue._context.clock.monotonic())
        await venue.cancel_order(OrderRef(market_id=MARKET_ID, venue_order_id="77"))
        with pytest.raises(NotSentError):
            await venue.fetch_markets()


# Replacing


def replaced(stub, *, filled_before="0.005", filled_at_the_end="0.005"):
    """The old order as it stands before, and as it ended once a replacement was taken."""
    standing = order_row(filledQty=filled_before)
    ended = order_row(filledQty=filled_at_the_end, status="CANCELLED", statusReason="ORDER_REPLACED")

    def answer(_):
        return ok(ended if sent(stub) else standing)

    stub.say(f"GET /user/orders/{OLD}", answer)


async def test_an_amendment_replaces_the_order_by_the_rest_of_its_new_total(stub, venue):
    """0.005 of 0.03 is filled: the new order is over 0.025, named after the old one's external id."""
    replaced(stub)
    old = await venue.fetch_order(OrderRef(market_id=MARKET_ID, venue_order_id=str(OLD)))
    changed = await venue.amend_order(old, size="0.03", price="83800")
    (body,) = sent(stub)
    assert (body["cancelId"], body["qty"], body["price"]) == ("bot7-000001", "0.025", "83800")
    assert body["postOnly"] is True
    assert body["fee"] == "0"
    assert body["id"] == changed.client_order_id != "bot7-000001"
    assert (changed.status, changed.venue_order_id) == (OrderStatus.PENDING, "2051700000000009999")
    assert (changed.size, changed.filled_size, changed.price) == (Decimal("0.025"), 0, 83800)


async def test_what_is_filled_while_it_is_replaced_is_taken_off(stub, venue):
    """The old order ended with 0.008 instead of 0.005: the new one is cut from 0.015 to 0.012."""
    replaced(stub, filled_at_the_end="0.008")
    new = order_row(id=2051700000000009999, filledQty="0", qty="0.015", status="NEW")

    def row(_):
        ended = {"status": "CANCELLED", "statusReason": "ORDER_REPLACED"} if len(sent(stub)) > 1 else {}
        return ok({**new, **ended, "externalId": sent(stub)[0]["id"]})

    stub.say("GET /user/orders/2051700000000009999", row)
    old = await venue.fetch_order(OrderRef(market_id=MARKET_ID, venue_order_id=str(OLD)))
    changed = await venue.amend_order(old, price="83800")
    first, second = sent(stub)
    assert (first["qty"], first["cancelId"]) == ("0.015", "bot7-000001")
    assert (second["qty"], second["cancelId"]) == ("0.012", first["id"])
    assert changed.size == Decimal("0.012")


async def test_a_cut_that_fails_is_unknown_and_never_looks_like_nothing_sent(stub, venue):
    """The replacement stands and is too large: the error names it, whatever kept it from being cut."""
    replaced(stub, filled_at_the_end="0.008")
    stub.say("GET /user/orders/2051700000000009999", Says({}, 503))
    old = await venue.fetch_order(OrderRef(market_id=MARKET_ID, venue_order_id=str(OLD)))
    with pytest.raises(OutcomeUnknownError, match=r"0\.003 more of it was filled meanwhile") as caught:
        await venue.amend_order(old, price="83800")
    (first,) = sent(stub)
    assert first["id"] in str(caught.value)
    assert caught.value.client_order_id == "bot7-000001"


async def test_a_replacement_of_which_nothing_is_left_is_canceled(stub, venue):
    """The old order was filled in full meanwhile."""
    replaced(stub, filled_at_the_end="0.02")
    new = order_row(id=2051700000000009999, filledQty="0", qty="0.015", status="NEW")
    stub.say("GET /user/orders/2051700000000009999", ok(new))
    stub.say("DELETE /user/order/2051700000000009999", Says({"status": "OK"}))
    old = await venue.fetch_order(OrderRef(market_id=MARKET_ID, venue_order_id=str(OLD)))
    await venue.amend_order(old, price="83800")
    assert len(sent(stub)) == 1
    assert len(stub.requests("DELETE /user/order/2051700000000009999")) == 1


async def test_what_can_t_be_replaced_is_not(stub, venue):
    """Closed, filled up to the new size, or of a type that the venue does not replace: nothing is sent."""
    stub.say(f"GET /user/orders/{OLD}", ok(order_row()))
    old = await venue.fetch_order(OrderRef(market_id=MARKET_ID, venue_order_id=str(OLD)))
    stub.say(f"GET /user/orders/{OLD}", ok(order_row(filledQty="0.015")))
    with pytest.raises(InvalidOrderError, match=r"0\.015 already filled"):
        await venue.amend_order(old, size="0.01")
    stub.say(f"GET /user/orders/{OLD}", ok(order_row(status="CANCELLED")))
    with pytest.raises(OrderNotFoundError, match="canceled"):
        await venue.amend_order(old, price="83800")
    stub.say(f"GET /user/orders/{OLD}", ok(order_row(type="TWAP")))
    with pytest.raises(CapabilityError, match="TWAP"):
        await venue.amend_order(old, price="83800")
    assert sent(stub) == []


async def test_a_replacement_without_an_answer_is_unknown_and_names_both_orders(stub, venue):
    """The old id finds what became of the order; the new one is in the message."""
    stub.say(f"GET /user/orders/{OLD}", ok(order_row()))
    old = await venue.fetch_order(OrderRef(market_id=MARKET_ID, venue_order_id=str(OLD)))
    stub.say("POST /user/order", Says(drop=True))
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.amend_order(old, price="83800")
    assert caught.value.client_order_id == "bot7-000001"
    assert sent(stub)[0]["id"] in str(caught.value)
    stub.say("POST /user/order", no(1142, status=404))
    with pytest.raises(OrderNotFoundError):
        await venue.amend_order(old, price="83800")
