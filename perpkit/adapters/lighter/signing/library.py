"""
Lighter's signing library, which comes as a shared object inside the package lighter-sdk (there is no other). It is
found where that package is installed, compared by its hash with the one that perpkit was tried with, and called through
ctypes on a thread of its own: from the main thread each signature takes eight times as long, and the event loop has
none of that time. lighter-sdk's own code is never imported.

Exports and types: the header beside the library in lighter-sdk 1.1.8. They differ between releases, so another
release's library is refused rather than tried. Nothing here touches the network: the library asks the venue only where
no nonce is given, and perpkit always gives one.
"""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import platform
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from perpkit.adapters.lighter.config import VENUE
from perpkit.adapters.lighter.signing.tx import (
    CancelAll,
    CancelOrder,
    CreateOrder,
    ModifyOrder,
    Tx,
    UpdateLeverage,
    UpdateMargin,
)
from perpkit.core.errors import ConfigError, CredentialsError, InvalidOrderError
from perpkit.core.transport.redact import Secret

PACKAGE: Final = "lighter-sdk"
VERSION: Final = "1.1.8"
REMEDY: Final = "install it with: pip install 'perpkit[lighter]'"

# SHA-256 of the files in the wheel of lighter-sdk 1.1.8.
LIBRARIES: Final = {
    ("Linux", "x86_64"): (
        "lighter-signer-linux-amd64.so",
        "7f107a0e2240aa40c9f0ae8aba396380fe62892fe199dd3691e3103fc9a6fd8e",
    ),
    ("Linux", "aarch64"): (
        "lighter-signer-linux-arm64.so",
        "9088ced1545e4cf81b6a4e18102c9459f3145215256c9d2f0a7ee4d160d7dfae",
    ),
    ("Darwin", "x86_64"): (
        "lighter-signer-darwin-amd64.dylib",
        "cc7a6b7c4736d09e9bf236def745e132d962a30c91d72235d579c44d895cfaa1",
    ),
    ("Darwin", "arm64"): (
        "lighter-signer-darwin-arm64.dylib",
        "b58e94ae6149be8c4e2ca90a6058fcb86e3c16604d0f09c3be29034b8feb2630",
    ),
    ("Windows", "AMD64"): (
        "lighter-signer-windows-amd64.dll",
        "3cb44139e35dee7533d925427448fa6d9ea2744fe66203c2167f42da358d0e49",
    ),
}

_NOWHERE: Final = b"http://127.0.0.1:1"
"""The address that the library is given. It is never called, and an empty one is refused."""

_INT, _LONG, _BYTE, _POINTER = ctypes.c_int, ctypes.c_longlong, ctypes.c_uint8, ctypes.c_void_p
_TAIL: Final = (_BYTE, _LONG, _INT, _LONG)  # skip nonce, nonce, API key index, account index


class _SignedTx(ctypes.Structure):
    _fields_ = [
        ("code", _BYTE),
        ("info", _POINTER),
        ("hash", _POINTER),
        ("message", _POINTER),
        ("error", _POINTER),
    ]


class _Text(ctypes.Structure):
    _fields_ = [("text", _POINTER), ("error", _POINTER)]


_SIGNERS: Final[dict[str, tuple[Any, ...]]] = {
    "SignCreateOrder": (
        *(_LONG, _LONG, _LONG),  # market, client index, base amount
        *(_INT, _INT, _INT, _INT, _INT, _INT),  # price, ask, type, time in force, reduce only, trigger price
        *(_LONG, _LONG, _INT, _INT),  # expiry, integrator, its taker and maker fee
        *(_BYTE, _BYTE),  # self-trade behaviour and equality
        *_TAIL,
    ),
    "SignCancelOrder": (_LONG, _LONG, *_TAIL),
    "SignCancelAllOrders": (_INT, _LONG, _LONG, *_TAIL),
    "SignModifyOrder": (
        *(_LONG, _LONG, _LONG, _LONG, _LONG),  # market, index, base amount, price, trigger price
        *(_LONG, _INT, _INT, _BYTE, _BYTE),  # integrator, its fees, self-trade behaviour and equality
        *(_BYTE, _LONG, _LONG, _INT, _LONG),  # skip nonce, nonce, order version, API key index, account index
    ),
    "SignUpdateLeverage": (_LONG, _INT, _INT, *_TAIL),
    "SignUpdateMargin": (_LONG, _LONG, _INT, *_TAIL),
}


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key of an account, and the chain that it signs for. Its secret shows itself to nobody."""

    account: int
    index: int
    secret: Secret
    chain_id: int


def find_library() -> Path:
    """
    Return where the library is, known by its hash.

    Raises:
        ConfigError: lighter-sdk is not installed, is another release, has no library for this machine, or holds one
            that is not the one released. The message says what to do.
    """
    try:
        installed = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        msg = f"{VENUE} needs its signing library, which comes with {PACKAGE}; {REMEDY}"
        raise ConfigError(msg, venue=VENUE) from None
    if installed.version != VERSION:
        msg = (
            f"{PACKAGE} {installed.version} is installed, and its signing library differs from that of {VERSION}, "
            f"which perpkit calls; {REMEDY}, in an environment of its own where something else pins another release"
        )
        raise ConfigError(msg, venue=VENUE)
    machine = (platform.system(), platform.machine())
    if machine not in LIBRARIES:
        msg = f"{PACKAGE} brings no signing library for {' '.join(machine)}"
        raise ConfigError(msg, venue=VENUE)
    name, digest = LIBRARIES[machine]
    path = Path(str(installed.locate_file(f"lighter/signers/{name}")))
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        msg = (
            f"{PACKAGE} {VERSION} is installed without {name}; install it anew: pip install --force-reinstall {PACKAGE}"
        )
        raise ConfigError(msg, venue=VENUE) from error
    if found != digest:
        msg = f"{name} is not the file that was released with {PACKAGE} {VERSION} (SHA-256 {found}); it is not loaded"
        raise ConfigError(msg, venue=VENUE)
    return path


class SigningLibrary:
    """
    The library, loaded. Its methods run on its own thread, one after the other.

    It keeps one client for each account and key index in the process, whatever chain that is for; so which one is
    registered is remembered, and another is registered before it signs.
    """

    def __init__(self, path: Path) -> None:
        self._calls = ctypes.CDLL(str(path))
        for name, arguments in _SIGNERS.items():
            function = getattr(self._calls, name)
            function.argtypes, function.restype = list(arguments), _SignedTx
        self._calls.CreateClient.argtypes = [ctypes.c_char_p, ctypes.c_char_p, _INT, _INT, _LONG]
        self._calls.CreateClient.restype = _POINTER
        self._calls.CreateAuthToken.argtypes = [_LONG, _INT, _LONG]
        self._calls.CreateAuthToken.restype = _Text
        self._calls.Free.argtypes, self._calls.Free.restype = [_POINTER], None
        self._registered: dict[tuple[int, int], ApiKey] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lighter-signer")

    async def sign(self, tx: Tx, nonce: int, key: ApiKey) -> tuple[str, str]:
        """
        Sign a transaction.

        Returns:
            ``tx_info`` and the hash.

        Raises:
            CredentialsError: The key is none.
            InvalidOrderError: The library refuses a field; nothing was sent.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._sign, tx, nonce, key)

    async def auth_token(self, deadline: int, key: ApiKey) -> str:
        """
        Make an auth token.

        Args:
            deadline: Until when it is good, seconds since 1970.

        Raises:
            CredentialsError: The key is none, or the library refuses.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._auth_token, deadline, key)

    def _sign(self, tx: Tx, nonce: int, key: ApiKey) -> tuple[str, str]:
        self._register(key)
        tail = (0, nonce, key.index, key.account)
        match tx:
            case CreateOrder():
                answer = self._calls.SignCreateOrder(
                    *(tx.market, tx.client_index, tx.base_amount, tx.price, int(tx.is_ask), tx.type, tx.time_in_force),
                    *(int(tx.reduce_only), tx.trigger_price, tx.expiry, 0, 0, 0, tx.self_trade, 0, *tail),
                )
            case CancelOrder():
                answer = self._calls.SignCancelOrder(tx.market, tx.index, *tail)
            case CancelAll():
                answer = self._calls.SignCancelAllOrders(tx.time_in_force, tx.time, tx.market, *tail)
            case ModifyOrder():
                answer = self._calls.SignModifyOrder(
                    *(tx.market, tx.index, tx.base_amount, tx.price, tx.trigger_price, 0, 0, 0, 0, 0),
                    *(0, nonce, 0, key.index, key.account),
                )
            case UpdateLeverage():
                answer = self._calls.SignUpdateLeverage(tx.market, tx.fraction, tx.mode, *tail)
            case UpdateMargin():
                answer = self._calls.SignUpdateMargin(tx.market, tx.units, tx.direction, *tail)
            case _:
                raise TypeError(f"no way to sign a {type(tx).__name__}")
        error, info, digest = (self._take(each) for each in (answer.error, answer.info, answer.hash))
        self._take(answer.message)
        if error is not None or info is None or digest is None:
            raise InvalidOrderError(f"the signing library refuses it: {error or 'it gave nothing'}", venue=VENUE)
        return info, digest

    def _auth_token(self, deadline: int, key: ApiKey) -> str:
        self._register(key)
        answer = self._calls.CreateAuthToken(deadline, key.index, key.account)
        error, token = self._take(answer.error), self._take(answer.text)
        if error is not None or token is None:
            msg = f"the signing library makes no auth token: {error or 'it gave nothing'}"
            raise CredentialsError(msg, venue=VENUE)
        return token

    def _register(self, key: ApiKey) -> None:
        place = (key.account, key.index)
        if self._registered.get(place) == key:
            return
        secret = key.secret.reveal().encode()
        error = self._take(self._calls.CreateClient(_NOWHERE, secret, key.chain_id, key.index, key.account))
        if error is not None:
            # Its text is left out: it may hold what it was given.
            msg = f"the signing library refuses the private key of API key {key.index}"
            raise CredentialsError(msg, venue=VENUE)
        self._registered[place] = key

    def _take(self, pointer: int | None) -> str | None:
        """Copy a text that the library made, and give it back its memory."""
        if not pointer:
            return None
        try:
            value = ctypes.cast(pointer, ctypes.c_char_p).value
            return value.decode() if value is not None else None
        finally:
            self._calls.Free(pointer)


_loading = threading.Lock()


@cache
def _load() -> SigningLibrary:
    return SigningLibrary(find_library())


def signing_library() -> SigningLibrary:
    """
    Return the library, loaded once in a process. Takes a tenth of a second the first time: call it on a thread.

    Raises:
        ConfigError: It can't be had; see :func:`find_library`.
    """
    with _loading:
        return _load()
