"""
The REST front: from an HTTP request to a handler's call, and from its reply or refusal to the response.

In order: quota of the address, token and its scope, quota of the account, query names and types, the handler.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from perpkit.sim.venues.paradex.auth import NOBODY, Session, TokenError
from perpkit.sim.venues.paradex.errors import ApiError
from perpkit.sim.venues.paradex.limits import headers_of
from perpkit.sim.venues.paradex.spec import parse_query

if TYPE_CHECKING:
    from perpkit.sim.venues.paradex.venue import Venue

log = logging.getLogger(__name__)

BASE_PATH = "/v1"
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_BEARER = "Bearer "


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be served."""

    session: Session
    query: Mapping[str, Any]
    path: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    received_ms: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A handler's answer; without a body the response has none."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[["Venue", Call], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """
    One operation that is served.

    Args:
        path: As the contract writes it, without the version.
        access: ``public``, ``read`` (any token), ``trade`` (main key or subkey) or ``main`` (main key only).
        quota: Which of the documented quotas it counts against.
        alias: A further path that the venue's own clients use for the same operation.
    """

    method: str
    path: str
    handler: Handler
    access: str
    quota: str
    takes_body: bool = False
    alias: str | None = None


class Gateway:
    """Serves the routes of one venue."""

    def __init__(self, venue: Venue, routes: tuple[Route, ...]) -> None:
        self._venue = venue
        self.routes = routes

    def add_to(self, app: web.Application) -> None:
        """Register every route; whatever else is asked for answers as an unknown path."""
        for route in self.routes:
            for path in filter(None, (route.path, route.alias)):
                app.router.add_route(route.method, BASE_PATH + path, self._bound(route))
        app.router.add_route("*", "/{anything:.*}", self._unknown)

    def _bound(self, route: Route) -> Callable[[web.Request], Any]:
        async def serve(request: web.Request) -> web.Response:
            return await self._serve(route, request)

        return serve

    async def _unknown(self, request: web.Request) -> web.Response:
        return respond(404, ApiError("NOT_FOUND", f"{request.method} {request.path}: no such path").body())

    async def _serve(self, route: Route, request: web.Request) -> web.Response:
        headers: dict[str, str] = {}
        try:
            body = await _body(request) if route.takes_body else None
            call = self._admit(route, request, body, headers)
            reply = route.handler(self._venue, call)
        except ApiError as refusal:
            return respond(refusal.status, refusal.body(), {**headers, **refusal.headers})
        except Exception:
            # A fault of ours must not look like a refusal of the venue, and must not end the connection.
            log.exception("%s %s failed", route.method, route.path)
            failure = ApiError("INTERNAL_ERROR", "the local venue failed; its log says where")
            return respond(500, failure.body(), headers)
        return respond(reply.status, reply.body, {**headers, **reply.headers})

    def _admit(self, route: Route, request: web.Request, body: Any, headers: dict[str, str]) -> Call:
        now_ms = self._venue.now_ms()
        address = request.remote or "unknown"
        if route.access == "public":
            self._spend(route.quota, address, headers)
            session = NOBODY
        else:
            self._spend("private-ip", address, headers)
            session = self._session(request)
            self._spend(route.quota, session.address, headers)
            check_scope(route.access, session)
        return Call(
            session=session,
            query=parse_query(route.method, route.path, request.query),
            path=request.match_info,
            headers=request.headers,
            body=body,
            received_ms=now_ms,
        )

    def _spend(self, quota: str, owner: str, headers: dict[str, str]) -> None:
        allowance = self._venue.limiter.take(quota, owner)
        headers.update(headers_of(allowance))
        if not allowance.allowed:
            raise ApiError(
                "REQUEST_NOT_ALLOWED",
                f"rate limit exceeded: {allowance.limit} requests in {allowance.window_s} s",
                status=429,
            )

    def _session(self, request: web.Request) -> Session:
        given = request.headers.get("Authorization", "")
        if not given.startswith(_BEARER):
            raise ApiError("INVALID_TOKEN", "missing or malformed jwt", status=401)
        try:
            return self._venue.authority.read(given[len(_BEARER) :], self._venue.now_s())
        except TokenError as exc:
            raise ApiError("INVALID_TOKEN", str(exc), status=401) from exc


def check_scope(access: str, session: Session) -> None:
    """
    Refuse what a token does not cover.

    Raises:
        ApiError: 403 ``INVALID_TOKEN_SCOPE``.
    """
    if access == "trade" and session.kind == "readonly":
        raise ApiError("INVALID_TOKEN_SCOPE", "a read-only token only reads", status=403)
    if access == "main" and session.kind != "main":
        raise ApiError("INVALID_TOKEN_SCOPE", f"a {session.kind} token may not do this; the main key may", status=403)


def respond(status: int, body: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a JSON response; decimals are written as JSON numbers, digit for digit."""
    if body is None:
        return web.Response(status=status, headers=headers)
    return web.Response(status=status, headers=headers, body=encode(body), content_type="application/json")


def encode(body: Any) -> bytes:
    """Return the JSON text of a wire body."""
    return _ENCODER.encode(body)


async def _body(request: web.Request) -> Any:
    text = await request.text()
    if not text:
        return {}
    try:
        return json.loads(text)
    except ValueError as exc:
        raise ApiError("BINDING_ERROR", f"the body is no JSON: {exc}") from exc
