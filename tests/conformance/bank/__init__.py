"""
The bank of broken plugins: each class is the good Paradex plugin with one real bug in it, and says which rules of the
suite must fail for it, and no others. ``make bank`` runs the suite over all of them.
"""
