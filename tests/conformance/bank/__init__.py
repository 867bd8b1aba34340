"""
The bank of broken plugins: each class is a good plugin with one real bug in it, and says which rules of the suite must
fail for it, and no others. ``make bank`` runs the suite over all of them. A package for each venue holds them; what a
rule can't see yet is in ``holes.md``.
"""
