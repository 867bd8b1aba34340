"""
Client order ids that fit a venue's rule: unique across restarts and processes, and sortable by when they were made.

An id is a number: the milliseconds since 2025 in its upper bits, chance in its lower ones, spelt in the widest alphabet
that the venue accepts. Within one generator no millisecond is used twice; the clock tells runs of a program apart, and
chance tells processes apart that make ids in the same millisecond.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime

from perpkit.core.capabilities import ClientOrderIdRule
from perpkit.core.clock import Clock, to_ms
from perpkit.core.errors import ConfigError

_EPOCH_MS = to_ms(datetime(2025, 1, 1, tzinfo=UTC))
_TICK_BITS = 41  # enough until 2094
_MOST_CHANCE = 80
_FRESH = 32
"""With so many bits chance is drawn anew for each id; with fewer it is one lane for the generator's life."""

# In the order of preference. The characters of each sort as their values do; those that look like digits are left out.
_DECIMAL = "0123456789"
_ALPHABETS = (
    "0123456789ABCDEFGHJKMNPQRSTVWXYZ",
    "0123456789abcdefghjkmnpqrstvwxyz",
    "0123456789abcdef",
    "0123456789ABCDEF",
    _DECIMAL,
)
_PREFIXES = ("", "0x")


class ClientOrderIds:
    """
    Makes ids for one venue and account.

    Args:
        rule: What the venue accepts.
        rng: Where chance comes from. It needs no secrecy, but two processes must not share a seed.
        prefix: Put before every id, for those who must recognise their own; part of the length that the rule allows.
        lane: For venues with short numeric ids and several processes on one account: a number of its own for each
            process, below ``2 ** lane_bits``, in place of chance.

    Raises:
        ConfigError: The rule leaves no room for unique ids, or the prefix or lane does not fit it.
    """

    def __init__(
        self,
        rule: ClientOrderIdRule,
        *,
        clock: Clock,
        rng: random.Random | None = None,
        prefix: str = "",
        lane: int | None = None,
    ) -> None:
        self._clock = clock
        if prefix and rule.maps_text:
            # With a prefix it is a text, which has more room than a number.
            rule = rule.replace(numeric_max=None)
        self._rng = rng or random.Random()  # noqa: S311 - tells processes apart, hides nothing
        self._prefix, self._alphabet, self._width, bits = _spelling(rule, prefix)
        self.lane_bits = min(bits - _TICK_BITS, _MOST_CHANCE)
        if lane is not None and not 0 <= lane < 1 << self.lane_bits:
            raise ConfigError(
                f"lane {lane} does not fit; this venue's ids leave room for 0 to {(1 << self.lane_bits) - 1}"
            )
        if lane is None and self.lane_bits < _FRESH:
            lane = self._rng.getrandbits(self.lane_bits) if self.lane_bits else 0
        self._lane = lane
        self._last_tick = -1

    def next(self) -> str:
        """Return an id that was never returned before, later in order than all before it."""
        self._last_tick = max(to_ms(self._clock.now()) - _EPOCH_MS, self._last_tick + 1, 0)
        low = self._rng.getrandbits(self.lane_bits) if self._lane is None else self._lane
        return self._prefix + self._spell(self._last_tick << self.lane_bits | low)

    def _spell(self, value: int) -> str:
        base = len(self._alphabet)
        if self._alphabet is _DECIMAL:
            return str(value)  # a venue that keeps ids as numbers would drop leading zeros
        digits = []
        for _ in range(self._width):
            value, digit = divmod(value, base)
            digits.append(self._alphabet[digit])
        return "".join(reversed(digits))


def _spelling(rule: ClientOrderIdRule, prefix: str) -> tuple[str, str, int, int]:
    """Return prefix, alphabet, width in characters, and how many bits they hold, for ids that the rule accepts."""
    for alphabet in _ALPHABETS:
        for start in (prefix,) if prefix else _PREFIXES:
            longest = rule.max_length - len(start)
            # The shortest that holds everything, or the longest allowed, for rules that ask for a fixed length.
            enough = _digits_for(_TICK_BITS + _MOST_CHANCE, len(alphabet))
            for width in dict.fromkeys((min(enough, longest), longest)):
                bits = _bits(rule, alphabet, width)
                if bits >= _TICK_BITS and _fits(rule, start, alphabet, width):
                    return start, alphabet, width, bits
    of = f"prefix {prefix!r} and " if prefix else ""
    raise ConfigError(
        f"no unique client order ids can be made with {of}at most {rule.max_length} characters of {rule.pattern}"
        + (f" up to {rule.numeric_max}" if rule.numeric_max is not None else "")
        + "; give each order a client_order_id of your own"
    )


def _bits(rule: ClientOrderIdRule, alphabet: str, width: int) -> int:
    most: int = len(alphabet) ** max(width, 0)
    if rule.numeric_max is not None:
        most = min(most, rule.numeric_max + 1)
    return most.bit_length() - 1


def _fits(rule: ClientOrderIdRule, start: str, alphabet: str, width: int) -> bool:
    numeric = alphabet is _DECIMAL
    samples = [alphabet[1] + alphabet[-1] * (width - 1)] if not numeric else []
    samples.append(alphabet[1] + alphabet[0] * (width - 1))
    samples += [character * width for character in alphabet if not numeric]
    if rule.numeric_max is not None:
        if not numeric or start:
            return False
        samples = [str(rule.numeric_max)]
    return all(rule.problem(start + sample) is None for sample in samples)


def _digits_for(bits: int, base: int) -> int:
    width = 1
    while base**width < 1 << bits:
        width += 1
    return width
