import tests.core.conftest  # noqa: F401 (its examples are the same in every run)
