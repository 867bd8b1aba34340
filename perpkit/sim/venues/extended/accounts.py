"""
The local venue's sub-accounts: API key, Stark keys and vault, all from the seed, and the registry that knows them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from perpkit.crypto.stark import CURVE_ORDER, public_key

FIRST_ACCOUNT_ID = 104_217
FIRST_VAULT = 500_343
CLIENT_ID = 80_211
"""The wallet that all local sub-accounts belong to."""


@dataclass(frozen=True, slots=True)
class LocalAccount:
    """
    A sub-account of the local venue with everything a client needs to use it. Worthless anywhere else.

    ``account_id`` is its number in text, by which the control back door knows it; keys are hex with 0x.
    """

    account_id: str
    index: int
    vault: int
    public_key: str
    api_key: str = field(repr=False)
    private_key: str = field(repr=False)

    @property
    def stark_key(self) -> int:
        """Return the public key as a number."""
        return int(self.public_key, 16)

    def reveal(self) -> dict[str, object]:
        """Return everything by name, secrets too, for showing the user of a local venue what to connect with."""
        return asdict(self)


class Registry:
    """Which key belongs to which sub-account."""

    def __init__(self, accounts: Iterable[LocalAccount] = ()) -> None:
        self._by_id: dict[str, LocalAccount] = {}
        self._by_key: dict[str, LocalAccount] = {}
        for account in accounts:
            self.add(account)

    def add(self, account: LocalAccount) -> None:
        """Enter a sub-account and its API key."""
        self._by_id[account.account_id] = account
        self._by_key[account.api_key] = account

    def by_key(self, api_key: str) -> LocalAccount | None:
        """Return whose API key this is, to the letter."""
        return self._by_key.get(api_key)

    def by_id(self, account_id: str) -> LocalAccount | None:
        """Return a sub-account by its number."""
        return self._by_id.get(account_id)

    def all(self) -> list[LocalAccount]:
        """Return every sub-account of the wallet."""
        return list(self._by_id.values())

    def revoke_all(self) -> None:
        """Forget every API key, as if their owner had deleted them."""
        self._by_key.clear()


def derive(seed: int, index: int) -> LocalAccount:
    """Return the sub-account of that number which a seed gives."""
    private = int.from_bytes(_digest(seed, index, "stark"), "big") % (CURVE_ORDER - 1) + 1
    return LocalAccount(
        account_id=str(FIRST_ACCOUNT_ID + index),
        index=index,
        vault=FIRST_VAULT + index,
        public_key=hex(public_key(private)),
        api_key=_digest(seed, index, "api key").hex()[:32],
        private_key=hex(private),
    )


def wallet_address(seed: int) -> str:
    """Return an Ethereum-shaped address for the wallet; nothing is checked against another chain."""
    return "0x" + _digest(seed, 0, "wallet").hex()[:40]


def _digest(seed: int, index: int, purpose: str) -> bytes:
    return hashlib.sha512(f"perpkit local extended/{seed}/{index}/{purpose}".encode()).digest()
