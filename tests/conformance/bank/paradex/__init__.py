"""The Paradex plugin with one bug each. See :mod:`tests.conformance.bank`."""
