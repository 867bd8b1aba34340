"""Requests as the tests of the HTTP client send them: short time limits, and a clock on which no sleep takes time."""

from __future__ import annotations

from datetime import timedelta

from perpkit.core.transport.http import HttpClient, HttpReply, HttpTimeouts
from perpkit.core.transport.retry import Effect
from tests.core.transport.servers import JumpingClock

QUICK = HttpTimeouts(total=timedelta(seconds=5), connect=timedelta(seconds=2), read=timedelta(milliseconds=100))


def client(url: str, **kwargs) -> HttpClient:
    kwargs.setdefault("timeouts", QUICK)
    kwargs.setdefault("clock", JumpingClock())
    return HttpClient(url, venue="venue", **kwargs)


async def command(http: HttpClient, method: str = "POST", **kwargs) -> HttpReply:
    kwargs.setdefault("body", b"{}")
    return await http.request(
        method, "/orders", operation="place_order", effect=Effect.COMMAND, client_order_id="c1", **kwargs
    )


async def read(http: HttpClient, **kwargs) -> HttpReply:
    return await http.request("GET", "/account", operation="GET /account", effect=Effect.READ, **kwargs)
