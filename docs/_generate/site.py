"""
What makes a site of the pages (a hook of mkdocs): the texts at the top of the repository are pages
of it too, and a link to what is no page leads to the repository.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File


ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REPOSITORY: str = _PROJECT["urls"]["Repository"]
# The texts at the top, and the pages that they are
TOP = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
_FENCE = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")


def on_files(files: Any, config: Any) -> Any:
    """
    Add the texts at the top as pages.
    """
    for name, page in TOP.items():
        text = linked((ROOT / name).read_text(), ROOT)
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """
    Lead what is no page to the repository.
    """
    return markdown if page.file.generated_by else linked(markdown, DOCS)


def linked(markdown: str, directory: Path) -> str:
    """
    Return a text of a directory with its links as they are on the site, code aside.
    """

    def target(match: re.Match[str]) -> str:
        path = Path(os.path.normpath(directory / match[1]))
        if not path.exists():
            raise FileNotFoundError(f"{match[1]} is linked, and not there")
        if path.is_relative_to(DOCS):
            return str(path.relative_to(DOCS))
        name = str(path.relative_to(ROOT))
        kind = "tree" if path.is_dir() else "blob"
        return TOP.get(name, f"{REPOSITORY}/{kind}/main/{name}")

    parts = _FENCE.split(markdown)
    return "".join(
        part if part.lstrip().startswith("```") else _LINK.sub(target, part) for part in parts
    )
