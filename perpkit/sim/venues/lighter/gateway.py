"""
The REST front: from an HTTP request to a handler's call, and from its body or refusal to the response.

In order: budget of the address or of the account that a token speaks for, query names and types, the handler.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from perpkit.sim.markets import SystemStatus
from perpkit.sim.venues.lighter.accounts import Account
from perpkit.sim.venues.lighter.auth import refused
from perpkit.sim.venues.lighter.config import TIERS
from perpkit.sim.venues.lighter.errors import ApiError
from perpkit.sim.venues.lighter.sequencer import Sequencer
from perpkit.sim.venues.lighter.spec import parse_query

if TYPE_CHECKING:
    from perpkit.sim.venues.lighter.venue import Venue

log = logging.getLogger(__name__)

_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Call:
    """
    A request that may be served.

    Attributes:
        account: Whom its token speaks for; None without one.
        query: Typed, with defaults; for a POST the form's fields as they came.
    """

    account: Account | None
    query: Mapping[str, Any]
    sequencer: Sequencer

    def owner(self, index: int | None, venue: Venue) -> Account:
        """
        Return the account that the call is about, whose token it must carry.

        Raises:
            ApiError: 20013 without its token, 21100 for one that is not there.
        """
        if self.account is None:
            raise ApiError(20013, "auth field is required")
        if index is None or index < 0:
            return self.account
        found = venue.registry.get(index)
        if found.l1_address != self.account.l1_address:
            raise refused("the token is another account's")
        return found


Handler = Callable[["Venue", Call], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation that is served; ``method`` GET unless it changes something."""

    path: str
    handler: Handler
    method: str = "GET"


class Gateway:
    """Serves the routes of one venue."""

    def __init__(self, venue: Venue, sequencer: Sequencer, routes: tuple[Route, ...]) -> None:
        self._venue = venue
        self._sequencer = sequencer
        self.routes = routes

    def add_to(self, app: web.Application) -> None:
        """Register every route; whatever else is asked for answers as an unknown path."""
        for route in self.routes:
            app.router.add_route(route.method, route.path, self._bound(route))
        app.router.add_route("*", "/{anything:.*}", self._unknown)

    def _bound(self, route: Route) -> Callable[[web.Request], Any]:
        async def serve(request: web.Request) -> web.Response:
            return await self._serve(route, request)

        return serve

    async def _unknown(self, request: web.Request) -> web.Response:
        return respond(ApiError(29404, status=404).body(), 404)

    async def _serve(self, route: Route, request: web.Request) -> web.Response:
        try:
            form = await _form(request) if route.method == "POST" else {}
            body = route.handler(self._venue, self._admit(route, request, form))
        except ApiError as refusal:
            return respond(refusal.body(), refusal.status)
        except Exception:
            # A fault of ours must not look like a refusal of the venue, and must not end the connection.
            log.exception("%s %s failed", route.method, route.path)
            return respond(ApiError(29500).body(), 500)
        return respond(body)

    def _admit(self, route: Route, request: web.Request, form: Mapping[str, str]) -> Call:
        venue = self._venue
        if venue.exchange.system_status is SystemStatus.MAINTENANCE:
            raise ApiError(29500, status=503)
        venue.keep_margins()
        token = request.headers.get("Authorization") or request.query.get("auth") or form.get("auth")
        account = venue.authority.read(token, venue.now_s()) if token else None
        if route.method == "GET":
            tier = account.tier if account is not None else TIERS[venue.settings.tier]
            owner = account.l1_address if account is not None else request.remote or "unknown"
            venue.budgets.read(tier, owner, route.path)
        query = parse_query(route.path, request.query) if route.method == "GET" else form
        return Call(account, query, self._sequencer)


def respond(body: Any, status: int = 200) -> web.Response:
    """Return a JSON response; decimals are written as JSON numbers, digit for digit."""
    return web.Response(status=status, body=_ENCODER.encode(body), content_type="application/json")


async def _form(request: web.Request) -> dict[str, str]:
    """Return a form's fields, urlencoded or multipart: clients send both."""
    try:
        posted = await request.post()
    except ValueError as exc:
        raise ApiError(20001, f"invalid param: the body is no form: {exc}") from exc
    return {name: value for name, value in posted.items() if isinstance(value, str)}
