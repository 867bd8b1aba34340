"""Broken plugins whose source is the bug: a module for each, because a module is what is read."""
