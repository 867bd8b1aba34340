"""
Finds and holds the account's secrets: the main account's key, a subkey, or a read-only token. Nothing here is sent.

They come, first found first used, from the arguments of ``open_venue``, from environment variables, or from a file that
only its owner can read. Each is stripped, and its shape is checked before anything uses it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from perpkit.adapters.paradex.config import VENUE
from perpkit.core.clock import EPOCH
from perpkit.core.credentials import SecretNames
from perpkit.core.errors import CredentialsError
from perpkit.core.transport.redact import Secret
from perpkit.crypto.stark import CURVE_ORDER, STARK_PRIME

VARIABLES: Mapping[str, str] = {
    "private_key": "PARADEX_PRIVATE_KEY",
    "subkey": "PARADEX_SUBKEY",
    "account": "PARADEX_ACCOUNT",
    "readonly_token": "PARADEX_READONLY_TOKEN",
    "credentials_file": "PARADEX_CREDENTIALS_FILE",
}
"""Each setting, and the environment variable that stands for it."""

FIELDS = tuple(VARIABLES)
"""The names that ``open_venue`` takes; the credentials file holds the first four, one ``name = value`` a line."""

_HEX = re.compile(r"[0-9a-fA-F]+")
_NAMES = SecretNames(VENUE, VARIABLES, keys=("private_key", "subkey", "readonly_token"))


class CredentialKind(StrEnum):
    """Which of the venue's three credentials this is, and so what it may do."""

    NONE = "none"
    """Public data only."""
    MAIN = "main"
    """The main account's key: everything."""
    SUBKEY = "subkey"
    """A key registered under the main account: trading, no withdrawal."""
    READONLY = "readonly"
    """A long-lived token: reading only."""


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """
    The secrets of one account. Printing it shows the kind and the account, never a key.

    Attributes:
        account: The main account's address, as a field element. A subkey signs for it too. None lets it be derived from
            the main key and the venue's configuration.
        private_key: Hex of the signing key.
        token: The read-only token.
    """

    kind: CredentialKind
    account: int | None = None
    private_key: Secret | None = None
    token: Secret | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.kind}, account={hex(self.account) if self.account is not None else None})"

    @property
    def can_sign(self) -> bool:
        """Whether orders can be signed."""
        return self.private_key is not None

    @property
    def can_read(self) -> bool:
        """Whether private data can be asked for."""
        return self.kind is not CredentialKind.NONE

    def signing_key(self) -> int:
        """
        Return the signing key as a number.

        Raises:
            CredentialsError: There is none.
        """
        if self.private_key is None:
            what = "a read-only token can't sign" if self.token else "no key was given"
            names = _NAMES.spelt("private_key", "subkey")
            msg = f"this needs a private key, and {what}: set private_key or subkey ({names})"
            raise CredentialsError(msg, venue=VENUE)
        return int(self.private_key.reveal(), 16)


def find_credentials(settings: Mapping[str, Any], environ: Mapping[str, str], *, now: datetime) -> Credentials:
    """
    Find the credentials in the arguments, else in the environment, else in the file that either names.

    Sources are not mixed: the first that holds a key or a token gives all of them, so that a key from one place is
    never used with an account from another. Without any, only public data is served.

    Raises:
        CredentialsError: A value of the wrong shape (the message names it and never shows it), a token that has
            expired, a file that others can read, or two kinds at once.
    """
    found = _NAMES.find(settings, environ)
    return _build(found.values, found.where, now) if found is not None else Credentials(CredentialKind.NONE)


def _build(values: Mapping[str, str], where: str, now: datetime) -> Credentials:
    kinds = [name for name in ("private_key", "subkey", "readonly_token") if name in values]
    if len(kinds) != 1:
        msg = f"{where}: give one of private_key, subkey and readonly_token, not {' and '.join(kinds) or 'none'}"
        raise CredentialsError(msg, venue=VENUE)
    account = _felt("account", values["account"], where) if "account" in values else None
    kind = kinds[0]
    if kind == "readonly_token":
        return Credentials(CredentialKind.READONLY, account=account, token=_token(values[kind], where, now))
    key = _private_key(kind, values[kind], where)
    if kind == "subkey" and account is None:
        msg = f"{where}: a subkey needs account, the MAIN account's address ({_NAMES.spelt('account')})"
        raise CredentialsError(msg, venue=VENUE)
    return Credentials(
        CredentialKind.SUBKEY if kind == "subkey" else CredentialKind.MAIN, account=account, private_key=key
    )


def _felt(name: str, text: str, where: str) -> int:
    digits = text.removeprefix("0x").removeprefix("0X")
    # Not left to int(): the error that it raises shows the text, and would stay behind ours as its context.
    if not _HEX.fullmatch(digits):
        raise CredentialsError(f"{where}: {name} is not a hexadecimal number (0x…)", venue=VENUE)
    value = int(digits, 16)
    if not 0 < value < STARK_PRIME:
        raise CredentialsError(f"{where}: {name} is no Starknet number: it must lie below the prime", venue=VENUE)
    return value


def _private_key(name: str, text: str, where: str) -> Secret:
    # An Ethereum key is 32 bytes too; most of them are above the order of the Stark curve, and that is worth saying.
    try:
        value = _felt(name, text, where)
    except CredentialsError as error:
        hint = " (64 hex digits that start above 0x08 look like an Ethereum key: the Paradex key is needed)"
        raise CredentialsError(f"{error.message}{hint if len(text) >= 64 else ''}", venue=VENUE) from None
    if value >= CURVE_ORDER:
        raise CredentialsError(f"{where}: {name} is not a key of the Stark curve", venue=VENUE)
    return Secret(hex(value))


class _Claims(msgspec.Struct):
    exp: int | None = None


def token_expiry(token: str) -> datetime | None:
    """
    Return when a JWT expires by its own word; its signature is not verified. None when it doesn't say.

    Raises:
        ValueError: It has not the shape of a JWT, or its date is none.
    """
    parts = token.split(".")
    if len(parts) != 3 or not all(parts[:2]):
        msg = "not three parts with dots between"
        raise ValueError(msg)
    try:
        raw = base64.b64decode(parts[1] + "=" * (-len(parts[1]) % 4), altchars=b"-_", validate=True)
        claims = msgspec.json.decode(raw, type=_Claims, strict=False)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError) as exc:
        msg = "its middle part holds no claims"
        raise ValueError(msg) from exc
    if claims.exp is None:
        return None
    try:
        return EPOCH + timedelta(seconds=claims.exp)
    except OverflowError as exc:
        msg = "its exp is no date"
        raise ValueError(msg) from exc


def _token(text: str, where: str, now: datetime) -> Secret:
    token = text.removeprefix("Bearer ").strip()
    try:
        expiry = token_expiry(token)
    except ValueError as exc:
        raise CredentialsError(f"{where}: readonly_token is no JWT: {exc}", venue=VENUE) from None
    if expiry is not None and expiry <= now:
        msg = f"{where}: readonly_token expired at {expiry:%Y-%m-%d %H:%M} UTC; make a new one on the venue"
        raise CredentialsError(msg, venue=VENUE)
    return Secret(token)
