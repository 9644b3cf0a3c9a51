"""
What an index would offer: the sdist, built from this tree.
"""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]


def built(target: str, tree: Path, directory: Path) -> Path:
    """
    Return what hatchling builds from a tree, without asking an index for itself.
    """
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(directory)],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = directory.iterdir()
    return made


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Return the directory of the unpacked sdist.
    """
    made = built("sdist", ROOT, tmp_path_factory.mktemp("built"))
    directory = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(made) as archive:
        # The first releases of 3.11 know no filter, and later ones ask for one
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(directory)
    (tree,) = directory.iterdir()
    return tree
