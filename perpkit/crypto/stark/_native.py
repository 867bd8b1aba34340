"""
The compiled libraries beneath, imported on first use so that perpkit itself imports without them.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from perpkit.core.errors import ConfigError

_INSTALL_HINT = (
    "Starknet signing needs {package}, which is not installed: install the venue's extra, for example "
    "`pip install 'perpkit[paradex]'`"
)


@cache
def stark() -> Any:
    """
    Return ``fast_stark_crypto.lib``: curve operations in Rust.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        from fast_stark_crypto import lib  # noqa: PLC0415 - an optional dependency
    except ImportError as exc:
        raise ConfigError(_INSTALL_HINT.format(package="fast-stark-crypto")) from exc
    return lib


@cache
def perpetuals() -> Any:
    """
    Return the package's functions that hash whole messages of the perpetual contract, with Poseidon in Rust.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import fast_stark_crypto  # noqa: PLC0415 - an optional dependency
    except ImportError as exc:
        raise ConfigError(_INSTALL_HINT.format(package="fast-stark-crypto")) from exc
    return fast_stark_crypto


@cache
def _keccak() -> Any:
    try:
        from Crypto.Hash import keccak  # noqa: PLC0415 - an optional dependency
    except ImportError as exc:
        raise ConfigError(_INSTALL_HINT.format(package="pycryptodome")) from exc
    return keccak


def keccak256(data: bytes) -> bytes:
    """Return the 32 bytes of Keccak-256."""
    return cast("bytes", _keccak().new(digest_bits=256, data=data).digest())
