"""
Finds and holds one sub-account's secrets: the API key that reads, and the Stark key that signs orders.

They come, first found first used, from the arguments of ``open_venue``, from environment variables, or from a file that
only its owner can read. Each is stripped, and its shape is checked before anything uses it: a key with white space
around it is answered by the venue with 401 and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from perpkit.adapters.extended.config import VENUE
from perpkit.core.credentials import SecretNames
from perpkit.core.errors import CredentialsError
from perpkit.core.transport.redact import Secret
from perpkit.crypto.stark import CURVE_ORDER, STARK_PRIME
from perpkit.crypto.stark import public_key as public_key_of

VARIABLES: Mapping[str, str] = {
    "api_key": "EXTENDED_API_KEY",
    "stark_private_key": "EXTENDED_STARK_PRIVATE_KEY",
    "stark_public_key": "EXTENDED_STARK_PUBLIC_KEY",
    "vault": "EXTENDED_VAULT",
    "credentials_file": "EXTENDED_CREDENTIALS_FILE",
}
"""Each setting, and the environment variable that stands for it."""

FIELDS = tuple(VARIABLES)

_NAMES = SecretNames(VENUE, VARIABLES, keys=("api_key",))
_HEX = re.compile(r"0[xX][0-9a-fA-F]+")
_KEY = re.compile(r"[\x21-\x7e]+")
_MOST_VAULT = 2**32


class CredentialKind(StrEnum):
    """What the credentials may do."""

    NONE = "none"
    """Public data only."""
    READING = "reading"
    """An API key alone: reads, cancels and settings; no order can be signed."""
    TRADING = "trading"
    """An API key and the Stark key of the same sub-account."""


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """
    The secrets of one sub-account. Printing it shows the kind and the vault, never a key.

    Attributes:
        public_key: Of the Stark key; derived from it.
        vault: The position's number (``l2Vault``); None lets it be read from the account that the API key opens.
    """

    kind: CredentialKind
    api_key: Secret | None = None
    private_key: Secret | None = None
    public_key: int | None = None
    vault: int | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.kind}, vault={self.vault})"

    @property
    def can_sign(self) -> bool:
        """Whether orders can be signed."""
        return self.private_key is not None

    @property
    def can_read(self) -> bool:
        """Whether private data can be asked for."""
        return self.api_key is not None

    def signing_key(self) -> int:
        """
        Return the Stark key as a number.

        Raises:
            CredentialsError: There is none.
        """
        if self.private_key is None:
            what = "an API key alone can't sign" if self.api_key else "no credentials were given"
            names = _NAMES.spelt("api_key", "stark_private_key").replace(" or ", " and ")
            msg = f"this needs the Stark key, and {what}: set api_key and stark_private_key ({names})"
            raise CredentialsError(msg, venue=VENUE)
        return int(self.private_key.reveal(), 16)


def missing_key() -> CredentialsError:
    """Return the error for a private call without any credentials."""
    msg = f"this needs credentials: set api_key ({_NAMES.spelt('api_key')})"
    return CredentialsError(msg, venue=VENUE)


def find_credentials(settings: Mapping[str, Any], environ: Mapping[str, str]) -> Credentials:
    """
    Find the credentials in the arguments, else in the environment, else in the file that either names.

    Sources are not mixed. Without any, only public data is served.

    Raises:
        CredentialsError: A value of the wrong shape (the message names it and never shows it), a public key that does
            not belong to the private one, or a file that others can read.
    """
    vault = settings.get("vault")
    if isinstance(vault, int) and not isinstance(vault, bool):
        settings = {**settings, "vault": str(vault)}
    found = _NAMES.find(settings, environ)
    return _build(found.values, found.where) if found is not None else Credentials(CredentialKind.NONE)


def _build(values: Mapping[str, str], where: str) -> Credentials:
    if not _KEY.fullmatch(values["api_key"]):
        raise CredentialsError(f"{where}: api_key holds characters that no key has", venue=VENUE)
    api_key = Secret(values["api_key"])
    vault = _vault(values["vault"], where) if "vault" in values else None
    if "stark_private_key" not in values:
        if "stark_public_key" in values:
            msg = f"{where}: stark_public_key without stark_private_key signs nothing; give both, or api_key alone"
            raise CredentialsError(msg, venue=VENUE)
        return Credentials(CredentialKind.READING, api_key=api_key, vault=vault)
    private = _felt("stark_private_key", values["stark_private_key"], where)
    if private >= CURVE_ORDER:
        raise CredentialsError(f"{where}: stark_private_key is not a key of the Stark curve", venue=VENUE)
    public = public_key_of(private)
    if "stark_public_key" in values and _felt("stark_public_key", values["stark_public_key"], where) != public:
        msg = f"{where}: stark_public_key does not belong to stark_private_key; copy both from one sub-account"
        raise CredentialsError(msg, venue=VENUE)
    return Credentials(
        CredentialKind.TRADING, api_key=api_key, private_key=Secret(hex(private)), public_key=public, vault=vault
    )


def _felt(name: str, text: str, where: str) -> int:
    # Not left to int(): the error that it raises shows the text, and would stay behind ours as its context.
    if not _HEX.fullmatch(text):
        raise CredentialsError(f"{where}: {name} is not a hexadecimal number (0x…)", venue=VENUE)
    value = int(text, 16)
    if not 0 < value < STARK_PRIME:
        hint = " (64 hex digits that start above 0x08 look like an Ethereum key)" if len(text) >= 64 else ""
        msg = f"{where}: {name} is no Starknet number: it must lie below the prime{hint}"
        raise CredentialsError(msg, venue=VENUE)
    return value


def _vault(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:20]) < _MOST_VAULT:
        msg = f"{where}: vault is the account's whole number below 2^32 (l2Vault), not an address and not accountId"
        raise CredentialsError(msg, venue=VENUE)
    return int(text)
