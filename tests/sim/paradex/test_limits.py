"""The documented quotas, on a clock that the test moves."""

from dataclasses import dataclass

from perpkit.sim.venues.paradex.limits import RateLimiter, headers_of


@dataclass
class HandClock:
    ms: int = 1_700_000_000_000

    def now_ms(self):
        return self.ms


def test_a_quota_is_spent_and_refills_continuously():
    """600 sign-ins pass, the next is refused, and 100 ms later one more passes, as 600 a minute is 10 a second."""
    clock = HandClock()
    limiter = RateLimiter(clock)
    assert all(limiter.take("auth", "1.2.3.4").allowed for _ in range(600))
    refused = limiter.take("auth", "1.2.3.4")
    assert not refused.allowed
    assert refused.retry_after_ms == 100
    assert headers_of(refused)["Retry-After"] == "1"
    clock.ms += 99
    assert not limiter.take("auth", "1.2.3.4").allowed
    clock.ms += 1
    assert limiter.take("auth", "1.2.3.4").allowed
    assert not limiter.take("auth", "1.2.3.4").allowed


def test_both_windows_of_a_quota_count():
    """Private reads are held to 120 a second and to 600 a minute."""
    clock = HandClock()
    limiter = RateLimiter(clock)
    passed = 0
    for _ in range(10):
        passed += sum(limiter.take("private", "0x1").allowed for _ in range(121))
        clock.ms += 1000
    assert passed == 600 + 90  # ten a second flow back into the minute's bucket during nine further seconds


def test_owners_do_not_share_a_quota():
    """One account's orders take nothing from another's."""
    limiter = RateLimiter(HandClock(), scale=800)
    assert limiter.take("orders", "0x1").allowed
    assert not limiter.take("orders", "0x1").allowed
    assert limiter.take("orders", "0x2").allowed


def test_headers_tell_what_is_left():
    """The venue's four headers describe the tightest window."""
    limiter = RateLimiter(HandClock())
    headers = headers_of(limiter.take("public", "1.2.3.4"))
    assert headers == {
        "X-RateLimit-Limit": "1500",
        "X-RateLimit-Remaining": "1499",
        "X-RateLimit-Reset": "1700000060",
        "X-RateLimit-Window": "60",
    }


def test_scale_zero_turns_limits_off():
    """Nothing is refused, however often it comes."""
    limiter = RateLimiter(HandClock(), scale=0)
    assert all(limiter.take("auth", "x").allowed for _ in range(5000))
