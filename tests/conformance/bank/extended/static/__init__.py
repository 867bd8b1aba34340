"""Broken plugins of Extended that differ in their source; a module each, since the rules read whole modules."""
