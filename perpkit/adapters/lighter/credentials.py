"""
Finds and holds what opens an account: its number or address, API keys, a read-only token. Nothing here is sent.

They come, first found first used, from the arguments of ``open_venue``, from environment variables, or from a file that
only its owner can read. Each is stripped, and its shape is checked before anything uses it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from perpkit.adapters.lighter.config import VENUE
from perpkit.core.credentials import FILE, SecretNames
from perpkit.core.errors import CredentialsError
from perpkit.core.transport.redact import Secret
from perpkit.crypto.ecgfp5 import ORDER

VARIABLES: Final[Mapping[str, str]] = {
    "account_index": "LIGHTER_ACCOUNT_INDEX",
    "l1_address": "LIGHTER_L1_ADDRESS",
    "api_key_index": "LIGHTER_API_KEY_INDEX",
    "api_private_key": "LIGHTER_API_PRIVATE_KEY",
    "api_keys": "LIGHTER_API_KEYS",
    "readonly_token": "LIGHTER_READONLY_TOKEN",
    FILE: "LIGHTER_CREDENTIALS_FILE",
}
"""Each setting, and the environment variable that stands for it."""

FIELDS: Final = tuple(VARIABLES)
"""The names that ``open_venue`` takes; the credentials file holds all but the last, one ``name = value`` a line."""

MAX_ACCOUNT: Final = 2**48 - 2
MAX_KEY_INDEX: Final = 254
"""255 means 'all keys' to the venue and is none."""

_KEY_DIGITS: Final = 80
_HEX = re.compile(r"[0-9a-fA-F]+")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_TOKEN = re.compile(r"ro:(?P<account>\d+):(single|all):(?P<expiry>\d+):[0-9a-fA-F]+")
_ACCOUNT_NAMES: Final = ("account_index", "l1_address")
_KEY_NAMES: Final = ("api_private_key", "api_keys", "readonly_token")
_NAMES = SecretNames(VENUE, VARIABLES, keys=_KEY_NAMES)


class CredentialKind(StrEnum):
    """What was given, and so what may be done."""

    NONE = "none"
    """Public data only."""
    WATCH = "watch"
    """An account without a key: what the venue shows of it to anybody (margins, balances, positions)."""
    READONLY = "readonly"
    """A long-lived token: reading only."""
    KEYS = "keys"
    """API keys: trading, no withdrawal to another address."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    What opens one account. Printing it shows the account and the keys' indexes, never a key.

    Attributes:
        account_index: None where it has to be found by the address.
        keys: Private keys by API key index, as 80 hex digits.
        token: The read-only token.
    """

    kind: CredentialKind
    account_index: int | None = None
    l1_address: str | None = None
    keys: Mapping[int, Secret] = field(default_factory=dict)
    token: Secret | None = None

    @property
    def can_sign(self) -> bool:
        """Whether transactions can be signed."""
        return bool(self.keys)

    @property
    def can_sign_in(self) -> bool:
        """Whether what is private can be asked for."""
        return bool(self.keys) or self.token is not None


def find_credentials(settings: Mapping[str, Any], environ: Mapping[str, str], *, now: datetime) -> Credentials:
    """
    Find the credentials in the arguments, else in the environment, else in the file that either names.

    Sources are not mixed: the first that holds a key or a token gives all of them, so that a key from one place is
    never used with an account from another. An account without any key is watched. Without either, only public data is
    served.

    Raises:
        CredentialsError: A value of the wrong shape (the message names it and never shows it), a token that has
            expired, a key without its index or its account, or a file that others can read.
    """
    given = {**settings, **{name: _as_text(name, settings[name]) for name in FIELDS if settings.get(name) is not None}}
    for source, where in ((given, "argument"), (_from_environ(environ), "environment variable")):
        names = [name for name in FIELDS if name in source]
        if any(name in names for name in (*_KEY_NAMES, FILE)):
            break
        if any(name in names for name in _ACCOUNT_NAMES):
            account, address = _account({name: str(source[name]) for name in names}, where)
            return Credentials(CredentialKind.WATCH, account_index=account, l1_address=address)
    found = _NAMES.find(given, environ)
    return _build(found.values, found.where, now) if found is not None else Credentials(CredentialKind.NONE)


def _from_environ(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[variable] for name, variable in VARIABLES.items() if environ.get(variable, "").strip()}


def _as_text(name: str, value: Any) -> Any:
    """Write numbers, and a mapping of keys, as they would stand in a file."""
    if name == "api_keys" and isinstance(value, Mapping):
        return Secret(",".join(f"{index}:{_revealed(key)}" for index, key in value.items()))
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _revealed(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def _build(values: Mapping[str, str], where: str, now: datetime) -> Credentials:
    given = [name for name in _KEY_NAMES if name in values]
    if len(given) != 1:
        msg = f"{where}: give one of {', '.join(_KEY_NAMES)}, not {' and '.join(given) or 'none'}"
        raise CredentialsError(msg, venue=VENUE)
    account, address = _account(values, where)
    if given == ["readonly_token"]:
        token, of = _token(values["readonly_token"], where, now)
        if account is not None and account != of:
            raise CredentialsError(f"{where}: readonly_token is of account {of}, not {account}", venue=VENUE)
        return Credentials(CredentialKind.READONLY, account_index=of, l1_address=address, token=token)
    if account is None and address is None:
        msg = f"{where}: a key needs its account: account_index or l1_address ({_NAMES.spelt(*_ACCOUNT_NAMES)})"
        raise CredentialsError(msg, venue=VENUE)
    keys = _keys(values, where)
    return Credentials(CredentialKind.KEYS, account_index=account, l1_address=address, keys=keys)


def _account(values: Mapping[str, str], where: str) -> tuple[int | None, str | None]:
    account = (
        _whole("account_index", values["account_index"], MAX_ACCOUNT, where) if "account_index" in values else None
    )
    address = values.get("l1_address")
    if address is not None and not _ADDRESS.fullmatch(address.strip()):
        raise CredentialsError(f"{where}: l1_address is no Ethereum address (0x and 40 hex digits)", venue=VENUE)
    return account, address.strip() if address is not None else None


def _keys(values: Mapping[str, str], where: str) -> dict[int, Secret]:
    if "api_private_key" in values:
        if "api_key_index" not in values:
            msg = f"{where}: api_private_key needs api_key_index, the slot that it is registered in"
            raise CredentialsError(msg, venue=VENUE)
        pairs = [(values["api_key_index"], values["api_private_key"])]
    else:
        parts = [part.partition(":") for part in values["api_keys"].split(",") if part.strip()]
        pairs = [(index, key) for index, colon, key in parts if colon]
        if not pairs or len(pairs) != len(parts):
            raise CredentialsError(f"{where}: api_keys is not 'index:key', with commas between", venue=VENUE)
    keys = {_whole("api_key_index", index, MAX_KEY_INDEX, where): _private_key(key, where) for index, key in pairs}
    if len(keys) != len(pairs):
        raise CredentialsError(f"{where}: api_keys names an index twice", venue=VENUE)
    return keys


def _whole(name: str, text: str, most: int, where: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 15 and int(digits) <= most):
        raise CredentialsError(f"{where}: {name} is no whole number from 0 to {most}", venue=VENUE)
    return int(digits)


def _private_key(text: str, where: str) -> Secret:
    digits = text.strip().removeprefix("0x").removeprefix("0X")
    # Not left to int(): the error that it raises shows the text, and would stay behind ours as its context.
    if not _HEX.fullmatch(digits) or len(digits) != _KEY_DIGITS:
        hint = " (64 look like an Ethereum key: the API key's own is needed)" if len(digits) == 64 else ""
        raise CredentialsError(f"{where}: api_private_key is not 80 hex digits{hint}", venue=VENUE)
    if not 0 < int.from_bytes(bytes.fromhex(digits), "little") < ORDER:
        raise CredentialsError(f"{where}: api_private_key is not one of the venue's curve", venue=VENUE)
    return Secret(digits.lower())


def _token(text: str, where: str, now: datetime) -> tuple[Secret, int]:
    found = _TOKEN.fullmatch(text)
    if found is None:
        msg = f"{where}: readonly_token is not ro:account:single|all:expiry:…; make one on the venue"
        raise CredentialsError(msg, venue=VENUE)
    expiry = datetime.fromtimestamp(int(found["expiry"][:11]), UTC)
    if expiry <= now:
        msg = f"{where}: readonly_token expired at {expiry:%Y-%m-%d %H:%M} UTC; make a new one on the venue"
        raise CredentialsError(msg, venue=VENUE)
    return Secret(text), int(found["account"])
