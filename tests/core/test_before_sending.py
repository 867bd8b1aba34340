"""What fails before a command's own request: it is known not to have been sent."""

from __future__ import annotations

from decimal import Decimal, Overflow

import pytest

from perpkit.core.before_sending import before_sending
from perpkit.core.errors import (
    AuthError,
    ConnectionLostError,
    DecodeError,
    NotSentError,
    PerpkitError,
    RateLimitError,
)


@pytest.mark.parametrize("error", [ConnectionLostError("gone"), DecodeError("no JSON")])
def test_a_lost_connection_and_an_unreadable_answer_mean_not_sent(error: PerpkitError) -> None:
    """The reason stays: in the words, and as the cause."""
    with pytest.raises(NotSentError) as caught, before_sending("signing in failed", venue="moonex"):
        raise error
    assert str(caught.value) == f"moonex: not sent: signing in failed ({error.message})"
    assert caught.value.__cause__ is error
    assert caught.value.venue == "moonex"


def test_a_number_that_nobody_can_compute_with_means_not_sent() -> None:
    """It was read, and an order can't be made of it."""
    bound = before_sending("no bound", venue="moonex")
    with pytest.raises(NotSentError, match=r"no bound \(Overflow in computing") as caught, bound:
        assert Decimal("1e999999") * 10 > 0
    assert isinstance(caught.value.__cause__, Overflow)


@pytest.mark.parametrize("error", [AuthError("no"), RateLimitError("slower"), NotSentError("no route"), KeyError("x")])
def test_what_says_more_passes_as_it_is(error: Exception) -> None:
    """A refusal, a rate limit and what is no error of perpkit's say themselves what to do."""
    with pytest.raises(type(error)) as caught, before_sending("signing in failed", venue="moonex"):
        raise error
    assert caught.value is error


def test_a_caller_may_name_what_else_means_no_more() -> None:
    """Where a rate limit was met by a read before the order, the order itself was not limited."""
    reading = before_sending("fees could not be read", venue="moonex", also=(RateLimitError,))
    with pytest.raises(NotSentError, match="fees could not be read"), reading:
        raise RateLimitError("slower")
