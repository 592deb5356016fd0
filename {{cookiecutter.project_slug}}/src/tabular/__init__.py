"""Tables as people have them: read, check, split, and predict from them.

It belongs to the template, which updates it (`uv run ci update`); the scripts beside it are yours.
Imports point one way: no module of here knows a script of yours.
"""
