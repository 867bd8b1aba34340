"""Order entry over the WebSocket: signed in once, answers matched by id, broken connections told as what they are."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.adapters.paradex import endpoints
from perpkit.core.errors import (
    AuthError,
    CapabilityError,
    CredentialsError,
    LocalRateLimitError,
    NotSentError,
    OrderNotFoundError,
    OrderRejectedError,
    OutcomeUnknownError,
    RejectReason,
)
from perpkit.core.models import OrderRef, OrderStatus, OrderType
from perpkit.core.transport.ratelimit import Quota, Scope
from tests.adapters.paradex.stub import StubVenue, token
from tests.adapters.paradex.test_orders import MARKET_ID, accept, intent, intents, row, signed_by_us


def created(params):
    return {"order": {**row(), "id": f"v-{params['client_id']}", "client_id": params["client_id"]}, "created_at": 1}


def answers(**replies):
    """Answer each method as told; sign-in and the switch always."""

    def rpc(call):
        method = call["method"]
        if method == "auth":
            return {"result": {"node_id": "n"}}
        if method == "order.cancel_on_disconnect":
            return {"result": {"enabled": call["params"]["enabled"]}}
        reply = replies[method.removeprefix("order.")]
        return reply(call["params"]) if callable(reply) else reply

    return rpc


@pytest.fixture
async def stub():
    async with StubVenue() as server:
        server.rpc = answers(create=lambda params: {"result": created(params)})
        server.say("POST /orders", accept)
        yield server


def methods(stub):
    return [call["method"] for call in stub.calls]


async def test_an_order_goes_over_the_socket_signed_and_after_one_sign_in(stub):
    """The very body of REST, as JSON-RPC parameters."""
    async with stub.open(order_entry="ws") as venue:
        order = await venue.place_order(intent())
        await venue.place_order(intent(client_order_id="c-2"))
    assert (order.status, order.venue_order_id) == (OrderStatus.PENDING, "v-c-1")
    assert methods(stub) == ["auth", "order.create", "order.create"]
    assert stub.calls[0]["params"] == {"bearer": token(1)}
    assert signed_by_us(stub.calls[1]["params"])
    assert {call["jsonrpc"] for call in stub.calls} == {"2.0"}
    assert stub.requests("POST /orders") == []


async def test_answers_are_matched_to_requests_in_whatever_order(stub):
    """The second answer comes first."""
    held, both = [], asyncio.Event()

    def rpc(call):
        if call["method"] == "auth":
            return {"result": {}}
        held.append(call)
        if len(held) == 2:
            both.set()
        return None

    stub.rpc = rpc
    async with stub.open(order_entry="ws") as venue:
        tasks = [asyncio.create_task(venue.place_order(intent(client_order_id=f"c-{n}"))) for n in range(2)]
        async with asyncio.timeout(5):
            await both.wait()
        (socket,) = stub._sockets
        for call in reversed(held):
            await socket.send_json({"jsonrpc": "2.0", "id": call["id"], "result": created(call["params"])})
        orders = await asyncio.gather(*tasks)
    assert [order.client_order_id for order in orders] == ["c-0", "c-1"]


async def test_types_and_flags_that_the_socket_does_not_know_go_over_rest(stub):
    """OpenRPC lists four types and one flag for order.create."""
    async with stub.open(order_entry="ws") as venue:
        profit = intent(type=OrderType.TAKE_PROFIT_LIMIT, trigger_price="110", reduce_only=True)
        await venue.place_order(profit)
        await venue.place_order(intent(client_order_id="c-2", options={"interactive": True}))
    assert [each.body["client_id"] for each in stub.requests("POST /orders")] == ["c-1", "c-2"]
    assert methods(stub) == []


async def test_amending_and_canceling_have_their_methods(stub):
    """Modify, cancel by either id, cancel all by market."""
    stub.rpc = answers(
        create=lambda params: {"result": created(params)},
        modify=lambda params: {"result": {"order": row(id="v-c-1", price=params["price"], status="OPEN")}},
        cancel={"result": {"order_id": "1", "status": "QUEUED_FOR_CANCELLATION"}},
        cancel_all={"result": {"status": "ok"}},
    )
    async with stub.open(order_entry="ws") as venue:
        order = await venue.place_order(intent())
        assert (await venue.amend_order(order, price="99.9")).price == Decimal("99.9")
        await venue.cancel_order(order)
        await venue.cancel_order(OrderRef(market_id=MARKET_ID, client_order_id="c-1"))
        await venue.cancel_all_orders("BTC-USD-PERP")
        await venue.cancel_all_orders()
    assert signed_by_us(stub.calls[2]["params"], order_id="v-c-1")
    assert [(call["method"], call["params"]) for call in stub.calls[3:]] == [
        ("order.cancel", {"id": "v-c-1"}),
        ("order.cancel", {"client_id": "c-1", "market": "BTC-USD-PERP"}),
        ("order.cancel_all", {"market": "BTC-USD-PERP"}),
        ("order.cancel_all", {}),
    ]


async def test_each_order_of_a_batch_has_its_own_result(stub):
    """In the order of the request; an error is text."""

    def batch(params):
        first, _refused, _silent = params["orders"]
        return {"result": {"results": [created(first), {"error": "VALIDATION_ERROR: off tick"}, {"created_at": 1}]}}

    stub.rpc = answers(create_batch=batch)
    async with stub.open(order_entry="ws") as venue:
        good, refused, silent = await venue.place_orders(intents(3))
    assert good.venue_order_id == "v-c-0"
    assert (type(refused), refused.reason, refused.client_order_id) == (
        OrderRejectedError,
        RejectReason.INVALID_ORDER,
        "c-1",
    )
    assert (type(silent), silent.client_order_id) == (OutcomeUnknownError, "c-2")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": -32602, "message": "Invalid method parameters"}, OrderRejectedError),
        ({"code": -32000, "message": "DUPLICATED_CLIENT_ID"}, OrderRejectedError),
        ({"code": 42901, "message": "Rate limit exceeded"}, OutcomeUnknownError),
        ({"code": -32603, "message": "Internal error"}, OutcomeUnknownError),
    ],
)
async def test_an_error_answer_is_a_rejection_or_proves_nothing(stub, error, kind):
    """As over REST."""
    stub.rpc = answers(create={"error": error})
    async with stub.open(order_entry="ws") as venue:
        with pytest.raises(kind) as caught:
            await venue.place_order(intent())
    assert caught.value.client_order_id == "c-1"
    assert methods(stub).count("order.create") == 1


async def test_a_connection_that_breaks_leaves_the_order_unknown_and_the_next_opens_anew(stub):
    """Nothing is sent again by itself."""
    outcomes = iter(["drop"])
    stub.rpc = answers(create=lambda params: next(outcomes, {"result": created(params)}))
    async with stub.open(order_entry="ws") as venue:
        with pytest.raises(OutcomeUnknownError):
            await venue.place_order(intent())
        assert methods(stub) == ["auth", "order.create"]
        assert (await venue.place_order(intent(client_order_id="c-2"))).venue_order_id == "v-c-2"
    assert methods(stub) == ["auth", "order.create", "auth", "order.create"]


async def test_a_connection_that_can_t_be_opened_means_not_sent(stub):
    """Safe to repeat."""
    async with stub.open(order_entry="ws") as venue:
        await venue.fetch_markets()
        plugin = next(iter(venue._manager.get_plugins()))
        plugin._socket._url = "ws://127.0.0.1:9/ws"
        with pytest.raises(NotSentError):
            await venue.place_order(intent())


async def test_a_session_that_is_refused_is_renewed_once(stub):
    """A refused session proves that nothing was done; the same order goes once more, on a new connection."""
    refused = iter([{"error": {"code": 40111, "message": "Invalid bearer token"}}])
    stub.rpc = answers(create=lambda params: next(refused, {"result": created(params)}))
    async with stub.open(order_entry="ws") as venue:
        assert (await venue.place_order(intent())).status is OrderStatus.PENDING
    assert methods(stub) == ["auth", "order.create", "auth", "order.create"]
    assert stub.calls[1]["params"] == stub.calls[3]["params"]


async def test_a_refused_sign_in_is_told_and_nothing_is_sent(stub):
    """The order never left."""
    stub.rpc = lambda call: {"error": {"code": 40111, "message": "Invalid bearer token"}}
    async with stub.open(order_entry="ws") as venue:
        with pytest.raises(AuthError):
            await venue.place_order(intent())
    assert "order.create" not in methods(stub)


async def test_not_found_is_not_found(stub):
    """Canceling what is gone."""
    stub.rpc = answers(cancel={"error": {"code": -32000, "message": "ORDER_ID_NOT_FOUND"}})
    async with stub.open(order_entry="ws") as venue:
        with pytest.raises(OrderNotFoundError):
            await venue.cancel_order(OrderRef(market_id=MARKET_ID, venue_order_id="1"))


async def test_cancel_on_disconnect_is_on_before_the_first_order_and_off_before_closing(stub):
    """The switch belongs to the connection; leaving in order must not cancel what stands."""
    async with stub.open(order_entry="ws", cancel_on_disconnect=True) as venue:
        await venue.place_order(intent())
    assert [(call["method"], call["params"].get("enabled")) for call in stub.calls] == [
        ("auth", None),
        ("order.cancel_on_disconnect", True),
        ("order.create", None),
        ("order.cancel_on_disconnect", False),
    ]


async def test_an_order_that_cancel_on_disconnect_would_not_cover_is_not_sent(stub):
    """A take-profit goes over REST, where the switch does not reach; who asked for the switch relies on it."""
    uncovered = intent(type=OrderType.TAKE_PROFIT_MARKET, price=None, trigger_price="70000")
    async with stub.open(order_entry="ws", cancel_on_disconnect=True) as venue:
        with pytest.raises(CapabilityError, match="cancel_on_disconnect would not cover"):
            await venue.place_order(uncovered)
        with pytest.raises(CapabilityError, match="cancel_on_disconnect would not cover"):
            await venue.place_orders([intent(), uncovered])
    assert [call["method"] for call in stub.calls if call["method"].startswith("order.create")] == []


def test_order_entry_over_the_socket_needs_a_key_that_signs():
    """Said when opening, not at the first order."""
    stub = StubVenue()
    with pytest.raises(CredentialsError, match="order_entry='ws'"):
        stub.open(order_entry="ws", readonly_token=token(1, life=10**10))


async def test_an_order_that_finds_no_room_in_the_quota_is_not_sent(stub, monkeypatch):
    """It waits as long as an answer may take, not for ever: here a minute would have to pass."""
    tight = Quota(endpoints.ORDER_COMMANDS, ((1, timedelta(minutes=1)),), Scope.ACCOUNT)
    others = tuple(each for each in endpoints.QUOTAS if each.name != endpoints.ORDER_COMMANDS)
    monkeypatch.setattr(endpoints, "QUOTAS", (*others, tight))
    async with stub.open(order_entry="ws") as venue:
        await venue.place_order(intent())
        with pytest.raises(LocalRateLimitError) as caught:
            await venue.place_order(intent(client_order_id="c-2"))
    assert caught.value.client_order_id == "c-2"
    assert methods(stub).count("order.create") == 1
