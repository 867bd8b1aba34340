"""
Measurements against paradex-py and ccxt, run by ``make bench`` in the oracle environment. Nothing is asserted about
speed; what is compared is first checked to be the same work.
"""
