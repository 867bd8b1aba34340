"""
The local venue's accounts: keys that follow from the seed, their nonces, and the registry that knows who is who.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache

from perpkit.crypto.ecgfp5 import ORDER, PublicKey, public_key
from perpkit.sim.clock import Scheduled
from perpkit.sim.venues.lighter.config import ALL_KEYS, Tier
from perpkit.sim.venues.lighter.errors import ApiError

FIRST_ACCOUNT = 12345
FIRST_KEY = 4
"""Lower slots are the venue's own apps'."""
KEYS = 3

KEY_BYTES = 40


@dataclass(frozen=True, slots=True)
class LocalAccount:
    """
    An account of the local venue with everything a client needs to use it. Worthless anywhere else.

    ``account_index`` and ``l1_address`` name it, ``api_keys`` are its private keys by slot; ``api_key_index`` and
    ``private_key`` the first of them; ``readonly_token`` reads what needs a token, and signs nothing.
    """

    account_index: int
    l1_address: str
    public_key: str
    api_keys: Mapping[int, str] = field(repr=False)
    readonly_token: str = field(repr=False)

    @property
    def api_key_index(self) -> int:
        """Return the first slot that holds a key."""
        return min(self.api_keys)

    @property
    def private_key(self) -> str:
        """Return the key of the first slot: 80 hex digits."""
        return self.api_keys[self.api_key_index]

    def reveal(self) -> dict[str, object]:
        """Return everything by name, secrets too, for showing the user of a local venue what to connect with."""
        return {
            "account_index": self.account_index,
            "l1_address": self.l1_address,
            "api_key_index": self.api_key_index,
            "private_key": self.private_key,
            "public_key": self.public_key,
            "api_keys": {str(slot): key for slot, key in self.api_keys.items()},
            "readonly_token": self.readonly_token,
        }


@dataclass(slots=True)
class ApiKey:
    """
    A registered key and its nonces.

    Attributes:
        nonce: The next that the sequencer takes; ``accepted`` the next that the API takes, ahead of it by what is on
            its way.
        waiting, due_ms: How many transactions are on their way, and when the last of them will be carried out: a
            later one of the key can't overtake it.
    """

    account_index: int
    index: int
    public: PublicKey
    registered_us: int
    nonce: int = 0
    accepted: int = 0
    waiting: int = 0
    due_ms: int = 0

    def take(self, nonce: int, *, skips: bool) -> None:
        """
        Take a transaction's nonce in.

        Raises:
            ApiError: 21104.
        """
        if nonce != self.accepted and not (skips and nonce > self.accepted):
            raise ApiError(21104)
        self.accepted = nonce + 1

    def consume(self, nonce: int, *, skips: bool) -> bool:
        """Use a nonce up as its transaction is carried out; tells whether it was the one due."""
        if nonce != self.nonce and not (skips and nonce > self.nonce):
            return False
        self.nonce = nonce + 1
        return True

    def give_back(self) -> None:
        """Forget what was accepted beyond what was used: a transaction failed and left its nonce unused."""
        self.accepted = self.nonce


@dataclass(slots=True)
class Account:
    """An account as the venue knows it beside its money, which is the exchange's."""

    index: int
    l1_address: str
    tier: Tier
    created_s: int
    keys: dict[int, ApiKey] = field(default_factory=dict)
    chosen: set[int] = field(default_factory=set)
    """Markets in which it chose its initial margin fraction by a transaction; the exchange has the figure."""
    given_leverage: dict[str, Decimal] = field(default_factory=dict)
    """What the market's default gave it, by symbol."""
    cancel_all_ms: int = 0
    cancel_all_timer: Scheduled | None = None

    @property
    def id(self) -> str:
        """Return the name that the exchange knows it by."""
        return str(self.index)

    @property
    def delays(self) -> tuple[timedelta, timedelta]:
        """Return how long takers wait, and makers and cancels."""
        return self.tier.taker_delay, self.tier.maker_delay

    def key(self, index: int) -> ApiKey:
        """
        Return a registered key.

        Raises:
            ApiError: 21109, or 21110 for the slot that means all.
        """
        if not 0 <= index < ALL_KEYS:
            raise ApiError(21110)
        found = self.keys.get(index)
        if found is None:
            raise ApiError(21109)
        return found


class Registry:
    """Who has an account."""

    def __init__(self) -> None:
        self._accounts: dict[int, Account] = {}

    def add(self, account: Account) -> None:
        """Enter an account."""
        self._accounts[account.index] = account

    def all(self) -> list[Account]:
        """Return every account."""
        return list(self._accounts.values())

    def get(self, index: int) -> Account:
        """
        Return an account.

        Raises:
            ApiError: 21100.
        """
        found = self._accounts.get(index)
        if found is None:
            raise ApiError(21100)
        return found

    def find(self, exchange_id: str) -> Account | None:
        """Return the account that the exchange knows by a name; None for a house account."""
        return self._accounts.get(int(exchange_id)) if exchange_id.isdecimal() else None

    def of_address(self, l1_address: str) -> list[Account]:
        """
        Return an Ethereum address's accounts, the master first.

        Raises:
            ApiError: 21100.
        """
        wanted = l1_address.lower()
        found = [account for account in self._accounts.values() if account.l1_address.lower() == wanted]
        if not found:
            raise ApiError(21100)
        return found


def derive_private_key(seed: int, index: int, slot: int) -> int:
    """Return the private key that a seed gives for one slot of one account."""
    digest = hashlib.sha512(f"perpkit local lighter/{seed}/{index}/{slot}".encode()).digest()
    return int.from_bytes(digest, "big") % (ORDER - 1) + 1


def derive_secret(seed: int, index: int, purpose: str) -> str:
    """Return the hex that a seed gives for something of an account that is no key."""
    return hashlib.sha256(f"perpkit local lighter/{seed}/{index}/{purpose}".encode()).hexdigest()


def derive_l1_address(seed: int, index: int) -> str:
    """Return an Ethereum-shaped address; the local venue records it and checks nothing on another chain."""
    return "0x" + derive_secret(seed, index, "l1")[:40]


def private_text(private: int) -> str:
    """Return a private key as the signer library takes it: 40 bytes, little-endian, in hex."""
    return private.to_bytes(KEY_BYTES, "little").hex()


# The same accounts are made for every local venue of a seed; in a run of tests that is a thousand times.
@lru_cache(maxsize=1024)
def public_of(private: int) -> PublicKey:
    """Return the public key of a private one."""
    return PublicKey(public_key(private))
