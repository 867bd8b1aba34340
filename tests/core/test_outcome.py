"""What a failed command proves: an unknown outcome, or what its error says."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core import errors
from perpkit.core.errors import (
    AuthError,
    BadGatewayError,
    CapabilityError,
    ConfigError,
    ConnectError,
    ConnectionLostError,
    DecodeError,
    InvalidOrderError,
    LocalRateLimitError,
    NotSentError,
    OrderNotFoundError,
    OrderRejectedError,
    OutcomeUnknownError,
    RateLimitError,
    RejectReason,
    RequestTimeoutError,
    UnmappedVenueError,
    VenueError,
    VenueUnavailableError,
)
from perpkit.core.models import OrderStatus
from perpkit.core.outcome import order_outcome, unknown_for_each
from tests.core.builders import an_intent, an_order

D = Decimal

SENT = {"venue": "paradex", "operation": "place_order", "client_order_id": "c1"}


@pytest.mark.parametrize(
    "error",
    [
        RequestTimeoutError("no answer in 10 s"),
        ConnectionLostError("reset"),
        BadGatewayError("HTML", status=502),
        DecodeError("truncated"),
        RateLimitError("429", status=429),
        UnmappedVenueError("who knows", code="X", status=500),
        UnmappedVenueError("a gateway gave up", code="HTTP_408", status=408),
        TimeoutError(),
        KeyError("status"),
        ValueError("not a decimal"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_that_proves_nothing_is_an_unknown_outcome(error: Exception):
    """It names venue, operation and order, keeps the cause, and says what to do."""
    with pytest.raises(OutcomeUnknownError) as caught, order_outcome(**SENT):
        raise error
    unknown = caught.value
    assert (unknown.venue, unknown.operation, unknown.client_order_id) == ("paradex", "place_order", "c1")
    assert unknown.__cause__ is error
    assert type(error).__name__ in unknown.message
    assert "resolve it, don't send it again" in unknown.message


@pytest.mark.parametrize(
    "error",
    [
        NotSentError("no budget"),
        ConnectError("refused"),
        LocalRateLimitError("full"),
        OrderRejectedError("margin", reason=RejectReason.MARGIN),
        AuthError("bad token", status=401),
        OrderNotFoundError("gone"),
        VenueUnavailableError("maintenance", status=503),
        UnmappedVenueError("new code", code="NEW", status=400),
        InvalidOrderError("off tick"),
        CapabilityError("no FOK"),
        ConfigError("no key"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_that_proves_something_passes(error: errors.PerpkitError):
    """Not sent, or the venue's own no: the very same error, with what its raiser did not know added."""
    with pytest.raises(type(error)) as caught, order_outcome(**SENT):
        raise error
    assert caught.value is error
    assert (error.venue, error.operation, error.client_order_id) == ("paradex", "place_order", "c1")


def test_every_error_of_the_tree_has_been_judged():
    """An error class added later must be placed on one side or the other, here and in the module."""

    def below(cls: type) -> set[type]:
        return {cls}.union(*(below(sub) for sub in cls.__subclasses__()))

    judged = set()
    for cls in below(errors.PerpkitError):
        if cls.__module__ != errors.__name__:
            continue
        try:
            with order_outcome(**SENT):
                raise cls("it happened")
        except OutcomeUnknownError as error:
            judged.add(cls) if error.__cause__ is not None or cls is OutcomeUnknownError else None
            transport = issubclass(cls, errors.TransportError) and not issubclass(cls, NotSentError)
            assert transport or cls in {DecodeError, RateLimitError, OutcomeUnknownError}
        except errors.PerpkitError:
            judged.add(cls)
            assert not issubclass(cls, errors.TransportError) or issubclass(cls, NotSentError)
    assert judged == {cls for cls in below(errors.PerpkitError) if cls.__module__ == errors.__name__}


def test_a_rate_limit_passes_where_the_venue_refuses_before_processing():
    """Only where the venue documents it: then nothing can have taken effect."""
    error = RateLimitError("429", retry_after=timedelta(seconds=2))
    with pytest.raises(RateLimitError) as caught, order_outcome(**SENT, refused_before_processing=True):
        raise error
    assert caught.value is error


def test_what_the_raiser_knew_is_kept():
    """Names that an error already bears are not replaced."""
    error = VenueError("no", venue="other", operation="POST /orders", client_order_id="c9")
    with pytest.raises(VenueError), order_outcome(**SENT):
        raise error
    assert (error.venue, error.operation, error.client_order_id) == ("other", "POST /orders", "c9")


async def test_cancellation_passes_and_is_noted(caplog: pytest.LogCaptureFixture):
    """The task ends as canceled; the note and the log say that an order was under way."""
    sending = asyncio.Event()

    async def place() -> None:
        with order_outcome(**SENT):
            sending.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(place())
    await sending.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert any("place_order c1 on paradex was under way" in note for note in caught.value.__notes__)
    assert "outcome is unknown" in caplog.text


def test_a_good_answer_goes_through():
    """Nothing is added where nothing fails."""
    with order_outcome(**SENT):
        answer = an_order()
    assert answer.status is OrderStatus.OPEN


def test_the_failure_of_a_batch_is_unknown_for_each_of_its_orders():
    """Each error names its own order."""
    whole = OutcomeUnknownError("lost", venue="paradex", operation="place_orders")
    results = unknown_for_each(whole, [an_intent(client_order_id="a"), an_intent(client_order_id="b")])
    assert [(type(each), each.client_order_id, each.__cause__) for each in results] == [
        (OutcomeUnknownError, "a", whole),
        (OutcomeUnknownError, "b", whole),
    ]
