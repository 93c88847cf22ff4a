"""What holds for every test: property tests draw the same examples each time, and no test is judged by its speed."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("project", deadline=None, derandomize=True, database=None)
settings.load_profile("project")
