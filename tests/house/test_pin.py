import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from nautilus_recovery_actor.outside.store.two import proven


ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "pyproject.toml"


@pytest.fixture
def pinned() -> SpecifierSet:
    required = tomllib.loads(PROJECT.read_text())["project"]["dependencies"]
    (pin,) = [one for one in map(Requirement, required) if one.name == "nautilus_trader"]
    return pin.specifier


@pytest.mark.parametrize("version", ["1.221.0", "1.231.0", "1.232.0", "2.0.0rc7"])
def test_a_version_that_is_tested_can_be_installed(pinned: SpecifierSet, version: str) -> None:
    """
    All of 1.x from 1.221, and the release candidate of 2.0 that CI runs.
    """
    assert pinned.contains(version, prereleases=True)


@pytest.mark.parametrize("version", ["1.220.0", "2.0.0rc6", "2.0.0rc8", "2.0.0", "2.0.1", "2.1.0"])
def test_a_version_that_was_never_run_cannot(pinned: SpecifierSet, version: str) -> None:
    """
    Another candidate may have other facts.
    """
    assert not pinned.contains(version, prereleases=True)


def test_who_names_no_version_gets_1(pinned: SpecifierSet) -> None:
    """
    2.0 drops what 1.x has stored: nobody gets it by accident, who names it does.
    """
    offered = ["1.231.0", "2.0.0rc7"]
    assert list(pinned.filter(offered)) == ["1.231.0"]
    assert list((pinned & SpecifierSet("==2.0.0rc7")).filter(offered)) == ["2.0.0rc7"]


def test_what_2_0_stores_is_proven_for_the_candidate_that_ci_runs(pinned: SpecifierSet) -> None:
    """
    Another candidate is another encoding, until `tests/over` has been run with it.
    """
    (run,) = re.findall(r"^nautilus=(\S+)$", (ROOT / ".ci/two").read_text(), re.MULTILINE)
    assert proven.VERSIONS[-1] == run
    assert all(pinned.contains(one, prereleases=True) for one in proven.VERSIONS)
