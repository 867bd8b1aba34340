"""What to do about an error, by its class. The error's own message comes first; a plugin may be more precise there."""

from __future__ import annotations

from datetime import timedelta

from perpkit.core import errors

SLOW = "try again; if it stays slow, look at the network between here and the venue"

_BY_CLASS: tuple[tuple[type[BaseException], str], ...] = (
    # The most specific class stands before its parents: the first that fits counts.
    (errors.CredentialsError, "correct the credential that is named; the variable or file must hold it alone"),
    (errors.ConfigError, "correct the setting that is named"),
    (errors.PluginError, "update the plugin's package, or tell its authors"),
    (errors.CapabilityError, "nothing to do: the venue or its plugin does not serve this"),
    (
        errors.AuthError,
        "the venue refuses these credentials: see that they belong to this environment, that the account is the one "
        "they were made for, and that they were not revoked; failing that make new ones",
    ),
    (errors.RateLimitError, "another program uses the same quota, or this was run too often: wait and try again"),
    (errors.VenueUnavailableError, "wait until the venue is back; its status page may say when"),
    (errors.UnknownMarketError, "`perpkit markets VENUE` lists those that there are"),
    (
        errors.InvalidRequestError,
        "the plugin and the venue's API do not agree: update perpkit or the plugin, else report this line",
    ),
    (errors.UnmappedVenueError, "the venue used a code that the plugin doesn't know: report this line"),
    (errors.DecodeError, "the venue answers otherwise than the plugin expects: update it, else report this line"),
    (errors.LocalRateLimitError, "the budget for this venue is used up: wait and try again"),
    (
        errors.ConnectError,
        "no connection: check the network, DNS, a firewall or a proxy, and the address where you gave one",
    ),
    (errors.RequestTimeoutError, SLOW),
    (errors.ConnectionLostError, SLOW),
    (
        errors.BadGatewayError,
        "something before the venue answered in its place: try again; behind a company proxy, ask for an exception",
    ),
    (errors.TransportError, SLOW),
    (errors.StreamAuthError, "the stream refuses the credentials: as for a refused sign-in"),
    (errors.HandshakeRefusedError, "the WebSocket host refuses connections: check the address, and wait if it says so"),
    (errors.StreamError, "try again; a firewall or proxy may cut WebSockets"),
    (TimeoutError, SLOW),
)

CLOCK = "set this machine's clock by NTP (on Linux: timedatectl set-ntp true); a signature from a wrong time is refused"


def remedy(error: BaseException) -> str:
    """Say what to do about an error."""
    wait = getattr(error, "retry_after", None)
    asked = f" (the venue asks for {wait / timedelta(seconds=1):g} s)" if isinstance(wait, timedelta) else ""
    for kind, text in _BY_CLASS:
        if isinstance(error, kind):
            return text + asked
    return "a defect: report this line; PERPKIT_DEBUG=1 shows where"
