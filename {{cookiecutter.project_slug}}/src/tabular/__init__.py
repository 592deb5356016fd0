"""Tables as people have them: read, check, split{% if cookiecutter.compute == 'dask' %}, learn from by workers{% endif %}, and predict from them.

It belongs to the template, which updates it (`uv run ci update`); the scripts beside it are yours.
It imports none of them. To keep it as it is, put `src/tabular/*` under `[tool.cruft] skip` in
pyproject.toml.
"""
