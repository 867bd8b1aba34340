"""Venue plugins."""
