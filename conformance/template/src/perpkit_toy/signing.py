"""
Signatures: pure, given secret and time.

Toy's contract: hex HMAC-SHA256 under the secret of time, method, path and body, a line each.
The path is without the version; query parameters follow it in order of their names.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from perpkit.core.transport.redact import Secret


def sign(secret: Secret, message: str) -> str:
    """Return the signature of a message."""
    return hmac.new(secret.reveal().encode(), message.encode(), hashlib.sha256).hexdigest()


def request_message(time_ms: int, method: str, path: str, query: Mapping[str, str], body: bytes) -> str:
    """Return what is signed for a request."""
    pairs = "&".join(f"{name}={query[name]}" for name in sorted(query))
    target = f"{path}?{pairs}" if pairs else path
    return f"{time_ms}\n{method}\n{target}\n{body.decode()}"


def sign_in_message(time_ms: int) -> str:
    """Return what is signed to sign a WebSocket in."""
    return f"{time_ms}\nAUTH\n/ws\n"
