from importlib.metadata import version
from types import ModuleType

import pytest

import nautilus_recovery_actor


def test_all_is_sorted_and_without_repetition() -> None:
    """
    The public names are in the order a reader looks for them.
    """
    assert nautilus_recovery_actor.__all__ == sorted(set(nautilus_recovery_actor.__all__))


def test_all_is_exactly_what_can_be_imported() -> None:
    """
    Each public name exists, and no other one is to be had at the top besides modules.
    """
    public = {
        name
        for name, value in vars(nautilus_recovery_actor).items()
        if not name.startswith("_")
        and (not isinstance(value, ModuleType) or name in nautilus_recovery_actor.__all__)
    }
    assert public == set(nautilus_recovery_actor.__all__)


@pytest.mark.parametrize("name", ["add_recovery_monitor", "run_node", "with_recovery"])
def test_a_name_of_the_host_on_2_says_what_to_install(name: str) -> None:
    """
    One line, with the release candidate for which it was written.
    """
    with pytest.raises(ImportError, match=r"requires NautilusTrader 2\.0: pip install '.*==2\.0"):
        getattr(nautilus_recovery_actor, name)


def test_the_version_is_the_one_that_is_installed() -> None:
    """
    It stands once, in the package, and whatever is built takes it from there.
    """
    assert nautilus_recovery_actor.__version__ == version("nautilus_recovery_actor")
