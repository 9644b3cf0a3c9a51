from hypothesis import Phase
from hypothesis import settings


# The same examples in every run, and none kept on disk
settings.register_profile("core", derandomize=True, deadline=None, database=None, max_examples=100)
# A mutant that survives runs them all, and one that is found out needs no small example: for
# `make mutation`
settings.register_profile(
    "mutation",
    settings.get_profile("core"),
    max_examples=20,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("core")
