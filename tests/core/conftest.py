from hypothesis import settings


# The same examples in every run, and none kept on disk
settings.register_profile(
    "core",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=100,
)
settings.load_profile("core")
