"""
The suite: tests of one venue plugin, each of one rule.

Run it with ``perpkit conformance VENUE``, or with ``pytest --pyargs perpkit_conformance --venue VENUE``. Expected
values come from the local exchange's ledger (``target.truth()``) or from arithmetic in the test, never from the plugin.
"""
