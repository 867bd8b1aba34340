"""
Auth tokens: ``deadline:account_index:api_key_index:signature``, made by clients and checked here on the venue's clock.
"""

from __future__ import annotations

from collections import OrderedDict

from perpkit.sim.venues.lighter.accounts import Account, Registry
from perpkit.sim.venues.lighter.config import TOKEN_MOST
from perpkit.sim.venues.lighter.errors import ApiError
from perpkit.sim.venues.lighter.verify import token_hash

_PARTS = 4
_SIGNATURE_HEX = 160
_KEPT = 4096


def refused(reason: str) -> ApiError:
    """Return the refusal of a token."""
    return ApiError(20013, f"invalid auth: {reason}")


class Authority:
    """
    Checks tokens. What was checked once is remembered, for it costs milliseconds.

    Args:
        registry: Whose keys count.
        verify: Whether signatures are checked on the curve.
    """

    def __init__(self, registry: Registry, *, verify: bool) -> None:
        self._registry = registry
        self._verify = verify
        self._good: OrderedDict[str, tuple[bytes, int]] = OrderedDict()
        self._expired: set[str] = set()

    def read(self, token: str, now_s: int) -> Account:
        """
        Return the account that a token speaks for.

        Raises:
            ApiError: 20013 with the reason.
        """
        deadline, account, key_index, signature = self._parse(token)
        key = account.keys.get(key_index)
        if key is None:
            raise refused("api key not found")
        if deadline <= now_s or token in self._expired:
            raise refused("expired token")
        if deadline - now_s > TOKEN_MOST.total_seconds():
            raise refused("deadline is too far away")
        if self._good.get(token) != (key.public.data, account.index):
            hashed = token_hash(deadline, account.index, key_index)
            if self._verify and not key.public.verify(hashed, signature):
                raise refused("invalid signature")
            self._good[token] = (key.public.data, account.index)
            if len(self._good) > _KEPT:
                self._good.popitem(last=False)
        return account

    def expire_all(self) -> None:
        """Let every token that was shown so far count as expired."""
        self._expired.update(self._good)
        self._good.clear()

    def _parse(self, token: str) -> tuple[int, Account, int, bytes]:
        parts = token.split(":")
        if len(parts) != _PARTS or len(parts[3]) != _SIGNATURE_HEX or not all(p.isdecimal() for p in parts[:3]):
            raise refused("malformed token")
        try:
            signature = bytes.fromhex(parts[3])
        except ValueError as exc:
            raise refused("malformed token") from exc
        try:
            account = self._registry.get(int(parts[1]))
        except ApiError as exc:
            raise refused("account not found") from exc
        return int(parts[0]), account, int(parts[2]), signature
