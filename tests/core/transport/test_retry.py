"""What is repeated, how often, and what never is."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from perpkit.core.errors import (
    AuthError,
    BadGatewayError,
    ConnectError,
    ConnectionLostError,
    DecodeError,
    LocalRateLimitError,
    OutcomeUnknownError,
    PerpkitError,
    RateLimitError,
    RequestTimeoutError,
)
from perpkit.core.transport.backoff import Backoff
from perpkit.core.transport.retry import ONCE, Effect, RetryPolicy, TryAgain, repeat
from tests.core.transport.servers import JumpingClock


class Script:
    """Gives its answers one after the other, raising those that are errors."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.attempts: list[int] = []

    async def __call__(self, number: int) -> object:
        self.attempts.append(number)
        answer = self.answers[min(number, len(self.answers)) - 1]
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.mark.parametrize("error", [ConnectError("x"), RequestTimeoutError("x"), ConnectionLostError("x"),
                                   BadGatewayError("x"), RateLimitError("x")])  # fmt: skip
@pytest.mark.parametrize("effect", [Effect.READ, Effect.IDEMPOTENT])
async def test_what_may_pass_is_tried_again(error: PerpkitError, effect: Effect) -> None:
    """A read or an idempotent command survives transport errors and the venue's 'too many'."""
    script = Script(error, error, "good")
    assert await repeat(script, effect=effect, policy=RetryPolicy(), clock=JumpingClock()) == "good"
    assert script.attempts == [1, 2, 3]


@pytest.mark.parametrize("error", [AuthError("x"), DecodeError("x"), LocalRateLimitError("x"),
                                   OutcomeUnknownError("x")])  # fmt: skip
async def test_what_does_not_pass_by_itself_is_raised_at_once(error: PerpkitError) -> None:
    """A refusal stays a refusal; trying again would only cost quota."""
    script = Script(error, "good")
    with pytest.raises(type(error)):
        await repeat(script, effect=Effect.READ, policy=RetryPolicy(), clock=JumpingClock())
    assert script.attempts == [1]


@pytest.mark.parametrize("error", [ConnectError("x"), RequestTimeoutError("x"), ConnectionLostError("x"),
                                   BadGatewayError("x"), RateLimitError("x", retry_after=timedelta(0))])  # fmt: skip
async def test_a_command_is_never_repeated(error: PerpkitError) -> None:
    """Not even when nothing was sent, and whatever the policy says."""
    script = Script(error, "good")
    with pytest.raises(type(error)):
        await repeat(script, effect=Effect.COMMAND, policy=RetryPolicy(attempts=5), clock=JumpingClock())
    assert script.attempts == [1]


async def test_the_last_error_is_raised_when_the_attempts_are_spent() -> None:
    """The policy's number is the number of attempts, not of repetitions."""
    script = Script(ConnectError("1"), ConnectError("2"), ConnectError("3"), "good")
    with pytest.raises(ConnectError, match="3"):
        await repeat(script, effect=Effect.READ, policy=RetryPolicy(attempts=3), clock=JumpingClock())


async def test_the_last_result_is_returned_even_if_it_counts_as_a_failure() -> None:
    """A 503 that stays is the caller's to map."""
    script = Script(503)
    clock = JumpingClock()
    result = await repeat(
        script, effect=Effect.READ, policy=RetryPolicy(attempts=2), clock=clock, verdict=lambda _: TryAgain()
    )
    assert result == 503
    assert script.attempts == [1, 2]


async def test_the_venue_wait_is_a_floor() -> None:
    """What Retry-After asks for is waited at the least."""
    clock = JumpingClock()
    script = Script(RateLimitError("x", retry_after=timedelta(seconds=7)), "good")
    await repeat(script, effect=Effect.READ, policy=RetryPolicy(), clock=clock)
    assert clock.slept == [7.0]


async def test_no_attempt_starts_after_the_total_time() -> None:
    """A wait that would end too late is not begun."""
    clock = JumpingClock()
    script = Script(RateLimitError("x", retry_after=timedelta(seconds=21)), "good")
    with pytest.raises(RateLimitError):
        await repeat(script, effect=Effect.READ, policy=RetryPolicy(total=timedelta(seconds=20)), clock=clock)
    assert clock.slept == []


async def test_waits_repeat_from_a_seed_and_stay_in_their_bounds() -> None:
    """Full jitter: evenly between 0 and a bound that doubles up to the maximum; the same seed gives the same waits."""
    make = lambda seed: Backoff(timedelta(seconds=1), timedelta(seconds=5), random.Random(seed))  # noqa: E731
    bounds = [1, 2, 4, 5, 5, 5]
    runs = []
    for seed in range(200):
        backoff = make(seed)
        waits = [backoff.next().total_seconds() for _ in bounds]
        assert all(0 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True)), f"seed {seed}"
        runs.append(waits)
    again = make(0)
    assert [again.next().total_seconds() for _ in bounds] == runs[0]
    means = [sum(column) / len(column) for column in zip(*runs, strict=True)]
    assert all(abs(mean - bound / 2) < bound * 0.07 for mean, bound in zip(means, bounds, strict=True)), means


def test_a_backoff_starts_again_after_a_reset() -> None:
    """A connection that lasted clears the record of failures."""
    backoff = Backoff(timedelta(seconds=1), timedelta(seconds=60), random.Random(1))
    for _ in range(10):
        backoff.next()
    assert backoff.bound == timedelta(seconds=60)
    backoff.reset()
    assert backoff.bound == timedelta(seconds=1)


def test_senseless_bounds_are_refused() -> None:
    """No attempts, or a back-off that does not grow, is a mistake of the caller."""
    with pytest.raises(ValueError, match="at least one attempt"):
        RetryPolicy(attempts=0)
    for initial, maximum in ((0, 1), (2, 1)):
        with pytest.raises(ValueError, match="grows from above 0"):
            Backoff(timedelta(seconds=initial), timedelta(seconds=maximum))
    assert ONCE.attempts == 1
