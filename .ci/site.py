"""Hooks of mkdocs.yml: pages at the root of the project join those of docs/."""

import re
from pathlib import Path

from mkdocs.structure.files import File


ROOT = Path(__file__).parent.parent

PAGES = "VERIFICATION.md", "CONTRIBUTING.md", "CHANGELOG.md"


def on_files(files, config):
    """Add the pages to the files of the site."""
    for name in PAGES:
        files.append(File.generated(config, name, content=(ROOT / name).read_text()))
    return files


def on_page_markdown(markdown, page, config, files):
    """Make links between the two folders links inside of one."""
    return re.sub(r"\]\((\.\./|docs/)(?=[\w-]+\.md)", "](", markdown)
