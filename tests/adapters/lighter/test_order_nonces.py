"""Outcomes and nonces: what a lost answer leaves unknown, when the counter is read again, and many orders at once."""

from __future__ import annotations

import asyncio

import pytest

from perpkit.core.clock import SystemClock
from perpkit.core.errors import ConnectError, LocalRateLimitError, NotSentError, OrderRejectedError, OutcomeUnknownError
from perpkit.core.models import CancelStatus, Order, OrderRef
from tests.adapters.lighter.orders import ETH, intent, nonces
from tests.adapters.lighter.stub import ACCOUNT, KEY, Says, no


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
