"""Who may pass: keys, signatures, the request budget, and parameters as the contract (``openapi.json``) has them."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, cast

from perpkit.sim.clock import SimClock

WINDOW_MS = 30_000
REQUESTS_A_MINUTE = 1500


class RefusedError(Exception):
    """What the venue says no with."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message}
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class LocalAccount:
    """A local account; its money is worth nothing."""

    id: str
    key: str
    secret: str = field(repr=False)


def make_account(seed: int, number: int) -> LocalAccount:
    """Return the seed's account of that number."""
    digits = hashlib.sha256(f"local toy/{seed}/{number}".encode()).hexdigest()
    return LocalAccount(f"acc-{number}", digits[:16], hashlib.sha256(digits.encode()).hexdigest())


class Doorman:
    """Checks everything that comes in."""

    def __init__(self, clock: SimClock, accounts: list[LocalAccount]) -> None:
        self._clock = clock
        self._by_key = {account.key: account for account in accounts}
        self._minute = 0
        self._counts: Counter[str] = Counter()

    def count(self, address: str) -> None:
        """Take one request from an address's budget."""
        minute = self._clock.now_ms() // 60_000
        if minute != self._minute:
            self._minute, self._counts = minute, Counter()
        self._counts[address] += 1
        if self._counts[address] > REQUESTS_A_MINUTE:
            wait = 60 - self._clock.now_ms() // 1000 % 60
            raise RefusedError(429, "too_many_requests", f"{REQUESTS_A_MINUTE} a minute", retry_after=wait)

    def admit(self, key: Any, time: Any, signature: Any, rest: str) -> LocalAccount:
        """Return whose signature this is; ``rest`` is what is signed behind the time."""
        account = self._by_key.get(str(key))
        if account is None:
            raise RefusedError(401, "unknown_key", "no account has this X-Api-Key")
        if not re.fullmatch(r"\d{1,15}", str(time)):
            raise RefusedError(400, "bad_request", "X-Time is not milliseconds since 1970")
        due = hmac.new(account.secret.encode(), f"{time}\n{rest}".encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(due, str(signature)):
            raise RefusedError(401, "bad_signature", "X-Signature does not fit the request")
        if abs(int(time) - self._clock.now_ms()) > WINDOW_MS:
            raise RefusedError(401, "stale_request", f"dated {time}, here it is {self._clock.now_ms()}")
        return account


@cache
def contract() -> dict[str, Any]:
    """Return the contract."""
    text = (Path(__file__).parent.parent / "openapi.json").read_text("utf-8")
    return cast("dict[str, Any]", json.loads(text, parse_float=Decimal))


def check_query(operation: Mapping[str, Any], query: Mapping[str, str]) -> None:
    """Refuse what the contract does not have, and what it wants and is missing."""
    known = {each["name"]: each for each in operation["parameters"] if each["in"] == "query"}
    for name, value in query.items():
        if name not in known:
            raise RefusedError(400, "bad_request", f"{name!r} is not a parameter")
        _check_value(name, value, known[name]["schema"])
    for name, parameter in known.items():
        if parameter["required"] and name not in query:
            raise RefusedError(400, "bad_request", f"{name} is required")


def check_body(operation: Mapping[str, Any], raw: bytes) -> dict[str, Any]:
    """Return the body, if it is as the contract has it."""
    if "requestBody" not in operation:
        if raw:
            raise RefusedError(400, "bad_request", "no body is taken")
        return {}
    schema = contract()["components"]["schemas"]["NewOrder"]
    try:
        body = json.loads(raw, parse_float=Decimal)
    except ValueError:
        raise RefusedError(400, "bad_request", "the body is no JSON") from None
    if not isinstance(body, dict):
        raise RefusedError(400, "bad_request", "the body is no object")
    for name, value in body.items():
        if name not in schema["properties"]:
            raise RefusedError(400, "bad_request", f"{name!r} is not a field")
        _check_value(name, value, schema["properties"][name])
    for name in schema["required"]:
        if name not in body:
            raise RefusedError(400, "bad_request", f"{name} is required")
    return body


def _check_value(name: str, value: Any, schema: Mapping[str, Any]) -> None:
    kind = schema["type"]
    if kind == "boolean":
        fits = isinstance(value, bool)
    elif kind == "integer":
        fits = bool(re.fullmatch(r"\d{1,15}", str(value)))
        fits = fits and schema.get("minimum", 0) <= int(value) <= schema.get("maximum", 10**15)
    else:
        fits = isinstance(value, str) and bool(re.search(schema.get("pattern", ""), value))
    if not fits or ("enum" in schema and value not in schema["enum"]):
        raise RefusedError(400, "bad_request", f"{name}={value!r} is not {schema.get('enum') or kind}")
