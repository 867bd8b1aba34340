"""
The local venue's accounts: keys that follow from the seed, and the registry that knows who may do what.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from functools import lru_cache

from perpkit.crypto.stark import CURVE_ORDER, public_key
from perpkit.sim.venues.paradex.config import ACCOUNT_HASH, PROXY_HASH
from perpkit.sim.venues.paradex.errors import ApiError
from perpkit.sim.venues.paradex.verify import account_address


@dataclass(frozen=True, slots=True)
class LocalAccount:
    """
    An account of the local venue with everything a client needs to use it. Worthless anywhere else.

    ``address`` is the account's, ``private_key`` its main key, ``subkey`` a trading key registered under it (a
    client that uses it still gives the main ``address``), ``readonly_token`` a long-lived token for reads.
    """

    address: str
    l1_address: str
    public_key: str
    private_key: str = field(repr=False)
    subkey: str = field(repr=False)
    subkey_public_key: str
    readonly_token: str = field(repr=False)

    def reveal(self) -> dict[str, str]:
        """Return everything by name, secrets too, for showing the user of a local venue what to connect with."""
        return asdict(self)


@dataclass(slots=True)
class Subkey:
    """A trading key registered under an account."""

    id: int
    public_key: int
    name: str
    created_at_ns: int
    updated_at_ns: int
    revoked_at_ns: int = 0

    @property
    def is_active(self) -> bool:
        """Tell whether it may still sign."""
        return self.revoked_at_ns == 0


@dataclass(slots=True)
class Owner:
    """An onboarded account: its main key and the keys registered under it."""

    address: int
    public_key: int
    created_at_ms: int
    subkeys: dict[int, Subkey] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Return the address as the wire writes it."""
        return hex(self.address)

    def signing_keys(self) -> list[int]:
        """Return every public key that may sign orders for the account."""
        return [self.public_key, *(key.public_key for key in self.subkeys.values() if key.is_active)]


class Registry:
    """Who is onboarded."""

    def __init__(self) -> None:
        self._owners: dict[int, Owner] = {}
        self._next_subkey = 1

    def onboard(self, public: int, now_ms: int) -> Owner:
        """Enter the account that a public key owns; calling it again changes nothing."""
        address = address_of(public)
        return self._owners.setdefault(address, Owner(address, public, now_ms))

    def find(self, address: int) -> Owner | None:
        """Return an onboarded account, or nothing."""
        return self._owners.get(address)

    def get(self, address: int) -> Owner:
        """
        Return an onboarded account.

        Raises:
            ApiError: ``NOT_ONBOARDED``.
        """
        owner = self._owners.get(address)
        if owner is None:
            raise ApiError("NOT_ONBOARDED", "User has never called /onboarding endpoint", status=401)
        return owner

    def register_subkey(self, owner: Owner, public: int, name: str, now_ns: int) -> Subkey:
        """Register a trading key under an account."""
        subkey = Subkey(self._next_subkey, public, name, now_ns, now_ns)
        self._next_subkey += 1
        owner.subkeys[public] = subkey
        return subkey


def derive_private_key(seed: int, index: int, purpose: str) -> int:
    """Return the private key that a seed gives for one purpose of one account."""
    digest = hashlib.sha512(f"perpkit local paradex/{seed}/{index}/{purpose}".encode()).digest()
    return int.from_bytes(digest, "big") % (CURVE_ORDER - 1) + 1


def derive_l1_address(seed: int, index: int) -> str:
    """Return an Ethereum-shaped address; the local venue records it and checks nothing on another chain."""
    return "0x" + hashlib.sha256(f"perpkit local paradex/{seed}/{index}/l1".encode()).hexdigest()[:40]


# The same accounts are made for every local venue of a seed; in a run of tests that is a thousand times.
@lru_cache(maxsize=1024)
def address_of(public: int) -> int:
    """Return the address of the account that a public key owns on the local venue."""
    return account_address(public, proxy_hash=PROXY_HASH, account_hash=ACCOUNT_HASH)


@lru_cache(maxsize=1024)
def public_of(private: int) -> int:
    """Return the public key of a private one."""
    return public_key(private)
