"""
Auth tokens: ``deadline:account_index:api_key_index:signature``, made by clients and checked here on the venue's clock;
and read-only ones, ``ro:account_index:scope:expiry:hex``, made by the venue.
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
        self._readonly: dict[str, tuple[int, int]] = {}

    def issue_readonly(self, account: Account, expiry_s: int, secret: str) -> str:
        """Return a token that reads an account's data until a time; ``secret`` is its hex."""
        token = f"ro:{account.index}:single:{expiry_s}:{secret}"
        self._readonly[token] = account.index, expiry_s
        return token

    def read(self, token: str, now_s: int) -> Account:
        """
        Return the account that a token speaks for.

        Raises:
            ApiError: 20013 with the reason.
        """
        if token.startswith("ro:"):
            return self._read_only(token, now_s)
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

    def deadline(self, token: str) -> int:
        """Return until when a good token is good, in seconds."""
        return self._readonly[token][1] if token in self._readonly else int(token.split(":", 1)[0])

    def expire_all(self) -> None:
        """Let every token that clients made and showed so far count as expired."""
        self._expired.update(self._good)
        self._good.clear()

    def _read_only(self, token: str, now_s: int) -> Account:
        known = self._readonly.get(token)
        if known is None:
            raise refused("read-only token not found")
        if known[1] <= now_s:
            raise refused("expired token")
        return self._registry.get(known[0])

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
