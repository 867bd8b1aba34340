"""Order commands against a stub: three outcomes and never two, per-item results, and where an order is looked for."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.adapters.paradex.encode import Unsigned, quantums
from perpkit.adapters.paradex.signing import NativeSigner
from perpkit.core.errors import (
    AuthError,
    CapabilityError,
    OrderNotFoundError,
    OrderRejectedError,
    OutcomeUnknownError,
    PerpkitError,
    RejectReason,
    VenueUnavailableError,
)
from perpkit.core.models import (
    CancelResult,
    CancelStatus,
    OrderIntent,
    OrderRef,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from perpkit.crypto.stark import verify
from tests.adapters.paradex.stub import ACCOUNT, CHAIN, KEY, Says, StubVenue, no, token

SYMBOL = "BTC-USD-PERP"
MARKET_ID = "BTC-USD-PERP@paradex"
SIGNER = NativeSigner(int(KEY, 16), int(ACCOUNT, 16), CHAIN)


def intent(**fields):
    base = {"market_id": SYMBOL, "side": Side.BUY, "size": "0.5", "price": "100.1", "client_order_id": "c-1"}
    return OrderIntent(**{name: value for name, value in {**base, **fields}.items() if value is not None})


def row(**changes):
    fields = {
        "id": "777",
        "market": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "size": "0.5",
        "remaining_size": "0.5",
        "status": "NEW",
        "price": "100.1",
        "client_id": "c-1",
        "instruction": "GTC",
        "created_at": 1_700_000_000_000,
        "last_updated_at": 1_700_000_000_000,
        "seq_no": 1,
    }
    return {**fields, **changes}


def accept(asked):
    """Take an order as the venue does: NEW, with its own id."""
    body = asked.body
    return Says({**row(**{k: body[k] for k in ("side", "type", "size", "price", "client_id", "instruction")}),
                 "remaining_size": body["size"], "id": f"v-{body['client_id']}"}, 201)  # fmt: skip


def signed_by_us(body, order_id=None):
    """Verify a body's signature over the very values that it holds."""
    unsigned = Unsigned(
        {},
        body["market"],
        body["side"],
        body["type"],
        quantums(Decimal(body["size"]), "size"),
        quantums(Decimal(body["price"]), "price"),
        order_id,
    )
    r, s = (int(half) for half in json.loads(body["signature"]))
    return verify(SIGNER.public_key, SIGNER.order_hash(unsigned, body["signature_timestamp"]), r, s)


@pytest.fixture
async def stub():
    async with StubVenue() as server:
        server.say("POST /orders", accept)
        server.say("GET /system/state", {"status": "ok"})
        yield server


# Placing


async def test_an_order_is_signed_as_sent_and_comes_back_pending(stub, venue):
    """The venue answers before its risk checks."""
    order = await venue.place_order(intent(post_only=True))
    assert (order.status, order.venue_order_id, order.client_order_id) == (OrderStatus.PENDING, "v-c-1", "c-1")
    (asked,) = stub.requests("POST /orders")
    assert signed_by_us(asked.body)
    assert {key: asked.body[key] for key in asked.body if not key.startswith("signature")} == {
        "market": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "size": "0.5",
        "price": "100.1",
        "instruction": "POST_ONLY",
        "client_id": "c-1",
    }
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["Authorization"] == f"Bearer {token(1)}"


async def test_orders_of_one_millisecond_have_different_stamps(stub, venue):
    """The stamp acts as a nonce; a burst must not sign the same one twice."""
    await asyncio.gather(*(venue.place_order(intent(client_order_id=f"c-{n}")) for n in range(20)))
    stamps = [asked.body["signature_timestamp"] for asked in stub.requests("POST /orders")]
    assert len(set(stamps)) == 20
    assert all(signed_by_us(asked.body) for asked in stub.requests("POST /orders"))


async def test_two_venues_of_one_account_have_different_stamps(stub, venue):
    """The venue counts by account: two of a program that sign in the same millisecond would use one stamp twice."""
    async with stub.open() as other:
        for each in (venue, other):
            await each.place_order(intent(client_order_id="c-0"))
        both = [each.place_order(intent(client_order_id=f"c-{n}")) for n in range(10) for each in (venue, other)]
        await asyncio.gather(*both)
    stamps = [asked.body["signature_timestamp"] for asked in stub.requests("POST /orders")]
    assert len(stamps) == 22
    assert len(set(stamps)) == 22


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (no("VALIDATION_ERROR"), RejectReason.INVALID_ORDER),
        (no("DUPLICATED_CLIENT_ID"), RejectReason.DUPLICATE_CLIENT_ID),
        (no("INVALID_ORDER_SIGNATURE"), RejectReason.INVALID_SIGNATURE),
        (no("MARKET_NOT_OPEN"), RejectReason.MARKET_CLOSED),
    ],
)
async def test_a_refusal_is_a_rejection_with_its_reason(stub, venue, answer, reason):
    """Positive evidence: the venue's own envelope."""
    stub.say("POST /orders", answer)
    with pytest.raises(OrderRejectedError) as caught:
        await venue.place_order(intent())
    assert (caught.value.reason, caught.value.client_order_id) == (reason, "c-1")
    assert len(stub.requests("POST /orders")) == 1


async def test_an_order_refused_for_its_time_makes_the_next_one_good(stub, venue):
    """Our clock was set while we ran: the venue's is read again."""
    await venue.place_order(intent())
    now = stub.time_ms
    stub.time_ms = lambda: now() + 90_000
    stub.say("POST /orders", no("INVALID_TIMESTAMP"), accept)
    with pytest.raises(OrderRejectedError) as caught:
        await venue.place_order(intent(client_order_id="c-2"))
    assert caught.value.reason is RejectReason.EXPIRED
    await venue.place_order(intent(client_order_id="c-3"))
    stamp = stub.requests("POST /orders")[-1].body["signature_timestamp"]
    assert abs(stamp - stub.time_ms()) < 10_000


@pytest.mark.parametrize(
    "answer",
    [
        Says(drop=True),
        Says("<html>bad gateway</html>", 502),
        Says("", 500),
        no("INTERNAL_ERROR", status=500),
        no("X", status=429),
        Says({"id": "777"}, 201),
        Says("<html>hello</html>", 201),
        Says('{"id": "77', 201),
        Says(row(status="HALF"), 201),
        Says(row(market="ETH-USD-PERP"), 201),
        no("SERVICE_UNAVAILABLE", status=503),
        no("BRAND_NEW_CODE", status=500),
    ],
    ids=lambda answer: f"{answer.status}-{str(answer.body)[:24]}" if not answer.drop else "drop",
)
async def test_what_proves_nothing_is_unknown_and_never_sent_again(stub, venue, answer):
    """The order may have been taken; one request left, whatever came back."""
    stub.say("POST /orders", answer)
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(intent())
    assert caught.value.client_order_id == "c-1"
    assert len(stub.requests("POST /orders")) == 1


async def test_maintenance_is_told_with_the_state(stub, venue):
    """The venue says that it is down, and the system's state agrees: not taken."""
    stub.say("POST /orders", no("SERVICE_UNAVAILABLE", status=503))
    stub.say("GET /system/state", {"status": "maintenance"})
    with pytest.raises(VenueUnavailableError, match="system state: maintenance") as caught:
        await venue.place_order(intent())
    assert caught.value.data == {"system_state": "maintenance"}
    assert caught.value.client_order_id == "c-1"


async def test_cancel_only_mode_is_told_with_the_state(stub, venue):
    """A refusal in so many words."""
    stub.say("POST /orders", no("SYSTEM_STATUS_CANCEL_ONLY"))
    stub.say("GET /system/state", {"status": "cancel_only"})
    with pytest.raises(VenueUnavailableError, match=r"only cancels.*system state: cancel_only"):
        await venue.place_order(intent())


async def test_a_401_proves_that_the_order_was_not_taken(stub, venue):
    """It is sent once more under the same signature with a new token; a second 401 is the answer."""
    stub.say("POST /orders", no("INVALID_TOKEN", status=401), accept)
    assert (await venue.place_order(intent())).status is OrderStatus.PENDING
    first, second = stub.requests("POST /orders")
    assert first.body == second.body
    stub.say("POST /orders", no("INVALID_TOKEN", status=401))
    with pytest.raises(AuthError):
        await venue.place_order(intent(client_order_id="c-2"))


async def test_what_the_venue_can_t_do_is_refused_before_anything_is_sent(stub, venue):
    """No FOK here."""
    with pytest.raises(CapabilityError, match="fok"):
        await venue.place_order(intent(time_in_force=TimeInForce.FOK))
    with pytest.raises(CapabilityError, match="iceberg"):
        await venue.place_order(intent(options={"iceberg": True}))
    assert stub.requests("POST /orders") == []


async def test_the_window_of_acceptance_is_sent_and_declared(stub):
    """After it, an order that the venue knows nothing of never was."""
    async with stub.open(recv_window_ms=5000) as venue:
        await venue.place_order(intent())
        assert venue.capabilities.never_accepted_after == timedelta(seconds=5)
    assert stub.requests("POST /orders")[0].body["recv_window"] == 5000


# Batches


def batch(*answers):
    """Answer a batch by client id: an order, or an error in the shape given."""
    return lambda asked: Says({"orders": answers[0](asked.body), "errors": answers[1](asked.body)}, 201)


def intents(count):
    return [intent(client_order_id=f"c-{n}", price=str(100 + n)) for n in range(count)]


def taken(body):
    return row(id=f"v-{body['client_id']}", client_id=body["client_id"], price=body["price"])


WORD = {"error": "VALIDATION_ERROR", "message": "price off tick"}


@pytest.mark.parametrize(
    "answer",
    [
        batch(lambda b: [taken(b[0]), None, taken(b[2])], lambda b: [None, WORD, None]),
        batch(lambda b: [taken(b[2]), taken(b[0])], lambda b: [WORD]),
        batch(lambda b: [taken(b[0]), taken(b[2])], lambda b: [None, WORD, None]),
        batch(lambda b: [taken(b[0]), None, taken(b[2])], lambda b: [{"error": "", "message": ""}, WORD, {}]),
    ],
    ids=["aligned", "orders apart from errors", "errors in place", "blank errors"],
)
async def test_each_order_of_a_batch_has_its_own_result(stub, venue, answer):
    """However the venue lines them up: the second was refused, the others stand."""
    stub.say("POST /orders/batch", answer)
    first, second, third = await venue.place_orders(intents(3))
    assert (first.venue_order_id, third.venue_order_id) == ("v-c-0", "v-c-2")
    assert isinstance(second, OrderRejectedError)
    assert (second.reason, second.client_order_id) == (RejectReason.INVALID_ORDER, "c-1")
    sent = stub.requests("POST /orders/batch")[0].body
    assert [body["client_id"] for body in sent] == ["c-0", "c-1", "c-2"]
    assert all(signed_by_us(body) for body in sent)


async def test_an_order_that_a_batch_s_answer_does_not_mention_is_unknown(stub, venue):
    """Two left over and one error: nobody can say whose it is."""
    stub.say("POST /orders/batch", batch(lambda b: [taken(b[0])], lambda b: [WORD]))
    first, second, third = await venue.place_orders(intents(3))
    assert first.status is OrderStatus.PENDING
    assert [type(each) for each in (second, third)] == [OutcomeUnknownError, OutcomeUnknownError]
    assert [each.client_order_id for each in (second, third)] == ["c-1", "c-2"]


@pytest.mark.parametrize("answer", [Says(drop=True), Says("<html>", 502), Says({"orders": 7}, 201)])
async def test_a_batch_without_an_answer_is_unknown_for_each(stub, venue, answer):
    """And not three rejections."""
    stub.say("POST /orders/batch", answer)
    results = await venue.place_orders(intents(3))
    assert [type(each) for each in results] == [OutcomeUnknownError] * 3
    assert [each.client_order_id for each in results] == ["c-0", "c-1", "c-2"]


async def test_a_batch_that_is_refused_as_a_whole_is_raised(stub, venue):
    """'If basic validation fails all orders will be rejected' (OpenAPI)."""
    stub.say("POST /orders/batch", no("INVALID_ORDER_SIGNATURE"))
    with pytest.raises(OrderRejectedError):
        await venue.place_orders(intents(2))


# Amending


async def test_an_amendment_is_signed_with_the_order_s_id(stub, venue):
    """PUT, all fields again, size as the total."""
    order = await venue.place_order(intent())
    stub.say("PUT /orders/v-c-1", lambda asked: Says(row(id="v-c-1", status="OPEN", price=asked.body["price"])))
    changed = await venue.amend_order(order, price="99.9")
    assert (changed.price, changed.status) == (Decimal("99.9"), OrderStatus.OPEN)
    (asked,) = stub.requests("PUT /orders/v-c-1")
    assert (asked.body["id"], asked.body["size"], asked.body["type"]) == ("v-c-1", "0.5", "LIMIT")
    assert signed_by_us(asked.body, order_id="v-c-1")


async def test_a_stop_loss_is_amended_as_what_it_is(stub, venue):
    """It reads as a stop here; sent as one the venue would refuse it."""
    stub.say("POST /orders", lambda asked: Says(row(id="9", type=asked.body["type"], status="NEW", flags=["REDUCE_ONLY"], trigger_price="90"), 201))  # fmt: skip # noqa: E501
    stub.say("PUT /orders/9", lambda asked: Says(row(id="9", type=asked.body["type"], status="UNTRIGGERED", trigger_price="91")))  # fmt: skip # noqa: E501
    stop = intent(type=OrderType.STOP_LIMIT, trigger_price="90", reduce_only=True, options={"stop_loss": True})
    order = await venue.place_order(stop)
    await venue.amend_order(order, trigger_price="91")
    assert stub.requests("PUT /orders/9")[0].body["type"] == "STOP_LOSS_LIMIT"
    assert stub.requests("PUT /orders/9")[0].body["trigger_price"] == "91"


async def test_an_amendment_without_an_answer_is_unknown(stub, venue):
    """A PUT is not repeated: the second could undo a later one."""
    order = await venue.place_order(intent())
    stub.say("PUT /orders/v-c-1", Says(drop=True))
    with pytest.raises(OutcomeUnknownError):
        await venue.amend_order(order, price="99.9")
    assert len(stub.requests("PUT /orders/v-c-1")) == 1


# Canceling


async def test_a_cancel_goes_by_the_venue_s_id_and_else_by_ours(stub, venue):
    """204 means queued, so the result says requested."""
    stub.say("DELETE /orders/777", Says(status=204))
    stub.say("DELETE /orders/by_client_id/c-1", Says(status=204))
    by_theirs = await venue.cancel_order(OrderRef(market_id=MARKET_ID, venue_order_id="777", client_order_id="c-1"))
    by_ours = await venue.cancel_order(OrderRef(market_id=MARKET_ID, client_order_id="c-1"))
    assert {by_theirs.status, by_ours.status} == {CancelStatus.REQUESTED}
    assert stub.requests("DELETE /orders/by_client_id/c-1")[0].query == {"market": SYMBOL}


@pytest.mark.parametrize("code", ["ORDER_ID_NOT_FOUND", "ORDER_IS_CLOSED"])
async def test_a_cancel_of_what_is_not_open_is_not_found(stub, venue, code):
    """Which is no proof that nothing was filled."""
    stub.say("DELETE /orders/777", no(code))
    with pytest.raises(OrderNotFoundError):
        await venue.cancel_order(OrderRef(market_id=MARKET_ID, venue_order_id="777"))


async def test_a_cancel_is_repeated_and_then_unknown(stub, venue):
    """Canceling twice changes nothing more, so it is tried again; without any answer it is unknown."""
    stub.say("DELETE /orders/777", Says(drop=True), Says(status=204))
    await venue.cancel_order(OrderRef(market_id=MARKET_ID, venue_order_id="777"))
    stub.say("DELETE /orders/777", Says(drop=True))
    with pytest.raises(OutcomeUnknownError):
        await venue.cancel_order(OrderRef(market_id=MARKET_ID, venue_order_id="777"))


async def test_each_cancel_of_a_batch_has_its_own_result(stub, venue):
    """Queued, closed before, and unknown to the venue; what isn't mentioned is unknown to us."""

    def answer(asked):
        assert asked.body == {"order_ids": ["1", "2", "5"], "client_order_ids": ["c-3", "c-4"]}
        return Says({"results": [
            {"id": "1", "client_id": "", "status": "QUEUED_FOR_CANCELLATION"},
            {"id": "2", "status": "ALREADY_CLOSED"},
            {"id": "33", "client_id": "c-3", "status": "QUEUED_FOR_CANCELLATION"},
            {"client_id": "c-4", "status": "NOT_FOUND"},
        ]})  # fmt: skip

    stub.say("DELETE /orders/batch", answer)
    refs = [OrderRef(market_id=MARKET_ID, venue_order_id=each) for each in ("1", "2")]
    refs += [OrderRef(market_id=MARKET_ID, client_order_id=each) for each in ("c-3", "c-4")]
    refs.append(OrderRef(market_id=MARKET_ID, venue_order_id="5"))
    results = await venue.cancel_orders(refs)
    assert [each.status if isinstance(each, CancelResult) else type(each) for each in results] == [
        CancelStatus.REQUESTED,
        CancelStatus.ALREADY_CLOSED,
        CancelStatus.REQUESTED,
        OrderNotFoundError,
        OutcomeUnknownError,
    ]


async def test_many_cancels_go_in_batches_and_one_that_fails_spoils_no_other(stub, venue):
    """25 in three requests; the second is refused."""

    def answer(asked):
        if "12" in asked.body["order_ids"]:
            return no("VALIDATION_ERROR")
        results = [{"id": each, "status": "QUEUED_FOR_CANCELLATION"} for each in asked.body["order_ids"]]
        return Says({"results": results})

    stub.say("DELETE /orders/batch", answer)
    results = await venue.cancel_orders([OrderRef(market_id=MARKET_ID, venue_order_id=str(n)) for n in range(25)])
    assert [len(each.body["order_ids"]) for each in stub.requests("DELETE /orders/batch")] == [10, 10, 5]
    good = [getattr(each, "status", None) is CancelStatus.REQUESTED for each in results]
    assert good == [True] * 10 + [False] * 10 + [True] * 5


@pytest.mark.parametrize("command", ["all", "one"])
async def test_a_refusal_under_a_200_is_a_refusal(stub, venue, command):
    """Nothing else is read of the answer to a cancel, so nobody else would see it."""
    said = Says({"error": "NOT_ALLOWED", "message": "nothing was canceled"})
    stub.say("DELETE /orders" if command == "all" else "DELETE /orders/777", said)
    with pytest.raises(PerpkitError, match="nothing was canceled"):
        if command == "all":
            await venue.cancel_all_orders()
        else:
            await venue.cancel_order(OrderRef(market_id=MARKET_ID, venue_order_id="777"))


@pytest.mark.parametrize(("market", "query"), [(None, {}), (SYMBOL, {"market": SYMBOL})])
async def test_cancel_all_keeps_to_its_scope(stub, venue, market, query):
    """One market, or the account."""
    stub.say("DELETE /orders", Says(status=200))
    await venue.cancel_all_orders(market)
    assert stub.requests("DELETE /orders")[0].query == query


# Finding


async def test_an_open_order_is_found_by_either_id(stub, venue):
    """One request."""
    stub.say("GET /orders/777", row(status="OPEN"))
    stub.say("GET /orders/by_client_id/c-1", row(status="OPEN"))
    for ref in (
        OrderRef(market_id=MARKET_ID, venue_order_id="777"),
        OrderRef(market_id=MARKET_ID, client_order_id="c-1"),
    ):
        assert (await venue.fetch_order(ref)).status is OrderStatus.OPEN
    assert len([each for each in stub.asked if each.path.startswith("/orders")]) == 2


async def test_a_closed_order_is_found_in_the_history_by_our_id(stub, venue):
    """Where an id was used twice, the newest is meant."""
    stub.say("GET /orders/by_client_id/c-1", no("CLIENT_ORDER_ID_NOT_FOUND"))
    newer, older = row(id="9", status="CLOSED", remaining_size="0"), row(id="8", status="CLOSED")
    stub.say("GET /orders-history", {"results": [newer, older], "next": None})
    found = await venue.fetch_order(OrderRef(market_id=MARKET_ID, client_order_id="c-1"))
    assert (found.venue_order_id, found.status) == ("9", OrderStatus.FILLED)
    query = stub.requests("GET /orders-history")[0].query
    assert (query["client_id"], query["market"]) == ("c-1", SYMBOL)


async def test_a_closed_order_is_found_in_the_history_by_the_venue_s_id(stub, venue):
    """The history can't be asked for it, so its pages are looked through until it turns up."""
    stub.say("GET /orders/42", no("ORDER_ID_NOT_FOUND"))
    pages = [
        [row(id="50"), row(id="49")],
        [row(id="42", status="CLOSED", cancel_reason="NOT_ENOUGH_MARGIN")],
        [row(id="1")],
    ]

    def answer(asked):
        number = int(asked.query.get("cursor", "0"))
        return Says({"results": pages[number], "next": str(number + 1) if number < 2 else None})

    stub.say("GET /orders-history", answer)
    found = await venue.fetch_order(OrderRef(market_id=MARKET_ID, venue_order_id="42"))
    assert (found.status, found.reject_reason) == (OrderStatus.REJECTED, RejectReason.MARGIN)
    assert len(stub.requests("GET /orders-history")) == 2


async def test_an_untriggered_order_is_found_among_the_open_ones(stub, venue):
    """The single reads return OPEN and NEW only (OpenAPI)."""
    stub.say("GET /orders/by_client_id/c-1", no("CLIENT_ORDER_ID_NOT_FOUND"))
    stub.say("GET /orders-history", {"results": [], "next": None})
    stub.say("GET /orders", {"results": [row(type="STOP_LIMIT", status="UNTRIGGERED", trigger_price="90")]})
    found = await venue.fetch_order(OrderRef(market_id=MARKET_ID, client_order_id="c-1"))
    assert (found.status, found.trigger_price) == (OrderStatus.OPEN, Decimal(90))


async def test_an_order_that_is_nowhere_is_not_found(stub, venue):
    """After all three places."""
    stub.say("GET /orders/by_client_id/c-1", no("CLIENT_ORDER_ID_NOT_FOUND"))
    stub.say("GET /orders-history", {"results": [], "next": None})
    stub.say("GET /orders", {"results": []})
    with pytest.raises(OrderNotFoundError, match="has no order c-1") as caught:
        await venue.fetch_order(OrderRef(market_id=MARKET_ID, client_order_id="c-1"))
    assert caught.value.client_order_id == "c-1"


async def test_open_orders_leave_out_what_is_over_and_what_is_no_perpetual(stub, venue):
    """The account's list holds options too."""
    rows = [row(status="OPEN"), row(id="2", status="CLOSED"), row(id="3", market="BTC-USD-100000-C", status="OPEN")]
    stub.say("GET /orders", {"results": rows})
    assert [each.venue_order_id for each in await venue.fetch_open_orders()] == ["777"]


async def test_history_is_oldest_first_and_tells_an_order_once(stub, venue):
    """The newest telling of an order counts."""
    rows = [
        row(id="2", status="CLOSED", remaining_size="0", created_at=1_700_000_002_000),
        row(id="2", status="OPEN", created_at=1_700_000_002_000),
        row(id="1", status="CLOSED", created_at=1_700_000_001_000),
    ]
    stub.say("GET /orders-history", {"results": rows, "next": None})
    history = await venue.fetch_order_history()
    assert [(each.venue_order_id, each.status) for each in history] == [
        ("1", OrderStatus.CANCELED),
        ("2", OrderStatus.FILLED),
    ]


async def test_an_unknown_outcome_is_resolved_by_our_id(stub, venue):
    """Sent, the connection dropped, and found in the history: rejected later, with its reason."""
    stub.say("POST /orders", Says(drop=True))
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(intent())
    stub.say("GET /orders/by_client_id/c-1", no("CLIENT_ORDER_ID_NOT_FOUND"))
    closed = row(status="CLOSED", cancel_reason="NOT_ENOUGH_MARGIN")
    stub.say("GET /orders-history", {"results": [closed], "next": None})
    order = await venue.resolve_order(caught.value)
    assert (order.status, order.reject_reason) == (OrderStatus.REJECTED, RejectReason.MARGIN)
    assert len(stub.requests("POST /orders")) == 1


async def test_a_hostile_order_id_stays_one_segment_of_the_path(stub, venue):
    """A slash in an id must not reach another endpoint."""
    stub.say("DELETE /orders/by_client_id/../batch", Says(status=204))
    await venue.cancel_order(OrderRef(market_id=MARKET_ID, client_order_id="../batch"))
    assert [each.path for each in stub.asked if each.method == "DELETE"] == ["/orders/by_client_id/../batch"]
