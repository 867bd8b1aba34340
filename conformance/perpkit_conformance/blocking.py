"""
Notes what blocks the event loop while a test runs: sleeping, looking up names and talking over blocking sockets, in the
loop's own thread.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock


class BlockingSocketError(OSError):
    """A blocking socket was used in the event loop's thread; the local exchange lives there and could never answer."""


@contextmanager
def blocking_noted() -> Iterator[list[str]]:
    """Give a list that fills with what blocked; a blocking socket is refused as well, for it would hang for ever."""
    noted: list[str] = []
    loops_own = threading.get_ident()

    def noting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() == loops_own:
                noted.append(name)
            return original(*args, **kwargs)

        return call

    def refusing(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: socket.socket, *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() == loops_own and self.gettimeout() != 0 and self.family != socket.AF_UNIX:
                noted.append(f"socket.{name}")
                raise BlockingSocketError(f"socket.{name} of a blocking socket in the event loop's thread")
            return original(self, *args, **kwargs)

        return call

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(time, "sleep", noting("time.sleep", time.sleep)))
        stack.enter_context(mock.patch.object(socket, "getaddrinfo", noting("socket.getaddrinfo", socket.getaddrinfo)))
        for name in ("connect", "send", "sendall", "recv", "recv_into"):
            replacement = refusing(name, getattr(socket.socket, name))
            stack.enter_context(mock.patch.object(socket.socket, name, replacement, create=True))
        yield noted
