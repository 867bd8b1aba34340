"""
The acceptance cards that NautilusTrader runs by hand against a live venue, each in our own words, and what is left out
of them, with the reason. A test holds the rules against them.
"""

from __future__ import annotations

from collections.abc import Mapping

_DATA = {
    "TC-D01": "The listed instruments are asked for and come",
    "TC-D02": "News of an instrument comes over the stream",
    "TC-D03": "One instrument alone is loaded",
    "TC-D10": "Changes of a book come over the stream",
    "TC-D11": "A book comes at an interval",
    "TC-D12": "A book of so many levels comes over the stream",
    "TC-D13": "A book is asked for once",
    "TC-D14": "A book is kept up from its changes",
    "TC-D15": "Changes of a book in the past are asked for",
    "TC-D20": "Best bids and asks come over the stream",
    "TC-D21": "Best bids and asks of the past are asked for",
    "TC-D30": "Trades come over the stream",
    "TC-D31": "Trades of the past are asked for",
    "TC-D40": "Bars come over the stream",
    "TC-D41": "Bars of the past are asked for",
    "TC-D50": "Mark prices come over the stream",
    "TC-D51": "Index prices come over the stream",
    "TC-D52": "Funding rates come over the stream",
    "TC-D53": "Funding rates of the past are asked for",
    "TC-D60": "A halt or another status of an instrument comes over the stream",
    "TC-D61": "The close of an instrument comes over the stream",
    "TC-D62": "Greeks of an option come over the stream",
    "TC-D63": "A chain of options comes over the stream",
    "TC-D70": "Subscriptions end with the strategy",
    "TC-D71": "A subscription takes parameters of the venue's own",
    "TC-D72": "A request takes parameters of the venue's own",
}

_EXECUTION = {
    "TC-E01": "A market order to buy fills",
    "TC-E02": "A market order to sell fills",
    "TC-E03": "A market order that is immediate-or-cancel",
    "TC-E04": "A market order that is fill-or-kill",
    "TC-E05": "A market order whose size is in the quote currency",
    "TC-E06": "A position is closed at the market",
    "TC-E10": "A limit order to buy that is good till canceled rests",
    "TC-E11": "A limit order to sell that is good till canceled rests",
    "TC-E12": "Limit orders rest on both sides",
    "TC-E13": "An immediate-or-cancel limit order that crosses fills",
    "TC-E14": "An immediate-or-cancel limit order that crosses nothing ends",
    "TC-E15": "A fill-or-kill limit order fills whole",
    "TC-E16": "A fill-or-kill limit order that can't fill whole ends",
    "TC-E17": "A limit order that is good till a date rests",
    "TC-E18": "A limit order ends at its date",
    "TC-E19": "A limit order for the day",
    "TC-E20": "A stop order at the market, to buy",
    "TC-E21": "A stop order at the market, to sell",
    "TC-E22": "A stop order with a limit, to buy",
    "TC-E23": "A stop order with a limit, to sell",
    "TC-E24": "A take-profit order at the market, to buy",
    "TC-E25": "A take-profit order at the market, to sell",
    "TC-E26": "A take-profit order with a limit, to buy",
    "TC-E27": "A take-profit order with a limit, to sell",
    "TC-E30": "The price of a buy order is changed",
    "TC-E31": "The price of a sell order is changed",
    "TC-E32": "A buy order is canceled and placed anew at another price",
    "TC-E33": "A sell order is canceled and placed anew at another price",
    "TC-E34": "The trigger of a stop order is changed",
    "TC-E35": "A stop order is canceled and placed anew",
    "TC-E36": "A change is refused, and the order stays as it was",
    "TC-E40": "One limit order is canceled",
    "TC-E41": "All orders are canceled in one request when the strategy stops",
    "TC-E42": "Each order is canceled by itself when the strategy stops",
    "TC-E43": "A list of orders is canceled in one request when the strategy stops",
    "TC-E44": "An order that is canceled already is canceled again",
    "TC-E50": "A bracket around a buy order",
    "TC-E51": "A bracket around a sell order",
    "TC-E52": "The exits of a bracket come alive when its entry fills",
    "TC-E53": "A bracket whose entry is post-only",
    "TC-E60": "A post-only order that crosses nothing rests",
    "TC-E61": "A reduce-only order closes a position",
    "TC-E62": "An order shows a part of its size",
    "TC-E63": "An order takes parameters of the venue's own",
    "TC-E70": "A post-only order that would cross is refused",
    "TC-E71": "A reduce-only order that would open is refused",
    "TC-E72": "An order of a type that the venue lacks is refused before it is sent",
    "TC-E73": "An order with a time in force that the venue lacks is refused before it is sent",
    "TC-E74": "An order whose answer is lost has no made-up outcome",
    "TC-E75": "A cancel whose answer is lost has no made-up outcome",
    "TC-E76": "A change whose answer is lost has no made-up outcome",
    "TC-E77": "A batch whose answer is lost has no made-up outcomes",
    "TC-E78": "One order of a batch is refused, and it alone",
    "TC-E80": "A position that is open at the start is known",
    "TC-E81": "Orders are canceled when the strategy stops",
    "TC-E82": "Positions are closed when the strategy stops",
    "TC-E83": "Subscriptions of an account end with the strategy",
    "TC-E84": "Open orders of an earlier run are found",
    "TC-E85": "Filled orders of an earlier run are found",
    "TC-E86": "A long position of an earlier run is found",
    "TC-E87": "A short position of an earlier run is found",
}

_ON_OPTIONS = {
    "TC-E90": "A limit order to buy an option",
    "TC-E91": "A limit order to sell an option",
    "TC-E92": "An option is priced in another way than in money",
    "TC-E94": "An option's order of a type that the venue lacks is refused before it is sent",
    "TC-E96": "A conditional order for an option is refused",
    "TC-E99": "A fill-or-kill limit order for an option",
    "TC-E100": "An option's order is canceled",
    "TC-E101": "A position in an option of an earlier run is found",
}

CARDS: Mapping[str, str] = {**_DATA, **_EXECUTION, **_ON_OPTIONS}
"""What each card tries, by its id."""

_NO_HISTORY = "perpkit has no request for past books or quotes: no perp venue in view serves them."
_OPTIONS = "Options are typed and left out of version 1."
_BRACKET = "Brackets are built by a strategy from single orders; no hook sends several orders that know of each other."
_STRATEGY = "What a strategy does when it stops; perpkit has none. Canceling and closing are rules of their own."

CARDS_LEFT_OUT: dict[str, str] = {
    "TC-D15": _NO_HISTORY,
    "TC-D21": _NO_HISTORY,
    "TC-D40": "Candles are fetched and not streamed in version 1.",
    "TC-D61": "A perpetual does not close; a settled market is a status (market-status-follows).",
    "TC-D62": _OPTIONS,
    "TC-D63": _OPTIONS,
    "TC-D71": "Subscriptions take no venue-specific parameters in version 1.",
    "TC-D72": "Requests take no venue-specific parameters in version 1; orders do, in their options.",
    "TC-E04": "Fill-or-kill as a market order: a market order is IOC whatever stands in the intent.",
    "TC-E05": "Sizes are in base units on every path; a size in quote is turned into one before the order.",
    "TC-E19": "DAY is no time in force of perpkit: perpetuals trade around the clock.",
    "TC-E50": _BRACKET,
    "TC-E51": _BRACKET,
    "TC-E52": _BRACKET,
    "TC-E53": _BRACKET,
    "TC-E62": "Icebergs are a venue's option where it has them, not a part of the interface.",
    "TC-E82": _STRATEGY,
    **dict.fromkeys(_ON_OPTIONS, _OPTIONS),
}
"""Cards that no rule covers, and why."""
