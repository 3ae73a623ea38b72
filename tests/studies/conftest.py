"""The copy of the project that whole runs need."""

from tests.runs.conftest import project  # noqa: F401  (a fixture)
