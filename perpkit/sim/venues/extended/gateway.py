"""
The REST front: from an HTTP request to a handler's call, and from its reply or refusal to the response.

In order: User-Agent, quota of the address, API key, query names and types, body, the handler.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from perpkit.sim.venues.extended.accounts import LocalAccount
from perpkit.sim.venues.extended.errors import ApiError, Code, bad_request
from perpkit.sim.venues.extended.query import Param, parse_query
from perpkit.sim.venues.extended.settings import REST_PREFIX

if TYPE_CHECKING:
    from perpkit.sim.venues.extended.venue import Venue

log = logging.getLogger(__name__)

API_KEY = "X-Api-Key"


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be served; ``account`` is whose key it came with."""

    query: Mapping[str, Any]
    path: Mapping[str, str]
    body: Any
    _account: LocalAccount | None

    @property
    def account(self) -> LocalAccount:
        """Return whose private request this is."""
        if self._account is None:
            message = "a public request belongs to nobody"
            raise TypeError(message)
        return self._account


@dataclass(frozen=True, slots=True)
class Reply:
    """
    A handler's answer.

    Attributes:
        data: What goes under ``data`` of the success envelope; with ``has_data`` false the envelope has none.
        envelope: The whole body, where a handler makes it itself (pages).
        is_empty: 200 without a body.
    """

    data: Any = None
    has_data: bool = True
    envelope: dict[str, Any] | None = None
    is_empty: bool = False

    def body(self) -> dict[str, Any] | None:
        """Return the body of the response."""
        if self.is_empty:
            return None
        if self.envelope is not None:
            return self.envelope
        return {"status": "OK", "data": self.data} if self.has_data else {"status": "OK"}


Handler = Callable[["Venue", Call], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation that is served; ``path`` as the contract writes it, without the prefix."""

    method: str
    path: str
    handler: Handler
    params: tuple[Param, ...] = ()
    takes_body: bool = False

    @property
    def is_private(self) -> bool:
        """Tell whether an API key is needed."""
        return self.path.startswith("/user/")

    @property
    def name(self) -> str:
        """Return how the operation is called in messages."""
        return f"{self.method} {self.path}"


class Gateway:
    """Serves the routes of one venue."""

    def __init__(self, venue: Venue, routes: tuple[Route, ...]) -> None:
        self._venue = venue
        self.routes = routes

    def add_to(self, app: web.Application) -> None:
        """Register every route; whatever else is asked for answers as an unknown path."""
        for route in self.routes:
            app.router.add_route(route.method, REST_PREFIX + route.path, self._bound(route))
        app.router.add_route("*", "/{anything:.*}", unknown_path)

    def _bound(self, route: Route) -> Callable[[web.Request], Any]:
        async def serve(request: web.Request) -> web.Response:
            return await self._serve(route, request)

        return serve

    async def _serve(self, route: Route, request: web.Request) -> web.Response:
        try:
            check_user_agent(request)
            if not self._venue.limiter.take("rest", request.remote or "unknown").allowed:
                raise ApiError(429, "Rate limit exceeded")
            account = self._owner(request) if route.is_private else None
            settings, note = self._venue.settings, self._venue.note
            query = parse_query(route.name, route.params, request.query, strict=settings.strict, note=note)
            body = await _body(request) if route.takes_body else None
            reply = route.handler(self._venue, Call(query, request.match_info, body, account))
        except UnauthorizedError:
            return web.Response(status=401)
        except ApiError as refusal:
            return respond(refusal.status, refusal.body())
        except Exception:
            # A fault of ours must not look like a refusal of the venue, and must not end the connection.
            log.exception("%s failed", route.name)
            failure = ApiError(Code.UNHANDLED_ERROR, "the local venue failed; its log says where")
            return respond(failure.status, failure.body())
        return respond(200, reply.body())

    def _owner(self, request: web.Request) -> LocalAccount:
        return owner_of(self._venue, request)


class UnauthorizedError(Exception):
    """No key, or one that nobody has: 401 with an empty body."""


def owner_of(venue: Venue, request: web.Request) -> LocalAccount:
    """
    Return whose API key a request carries.

    Raises:
        UnauthorizedError: None, or an unknown one.
    """
    account = venue.registry.by_key(request.headers.get(API_KEY, ""))
    if account is None:
        raise UnauthorizedError
    return account


def check_user_agent(request: web.Request) -> None:
    """
    Refuse a request without a User-Agent, REST and stream alike.

    Raises:
        ApiError: 400.
    """
    if not request.headers.get("User-Agent", "").strip():
        raise bad_request("User-Agent: the header is mandatory")


async def unknown_path(request: web.Request) -> web.Response:
    """Answer a path that there is not."""
    return respond(404, ApiError(404, f"{request.method} {request.path}: no such path").body())


def respond(status: int, body: Any) -> web.Response:
    """Return a JSON response, or an empty one without a body."""
    if body is None:
        return web.Response(status=status)
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


async def _body(request: web.Request) -> Any:
    text = await request.text()
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError as exc:
        raise bad_request(f"the body is no JSON: {exc}") from exc
