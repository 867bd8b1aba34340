"""Broken plugins of Extended: each repeats a mistake that this venue's contract invites."""
