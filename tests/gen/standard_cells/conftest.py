import pytest

from gen.standard_cells.liberty import read_library
from tests.gen.standard_cells import library


@pytest.fixture(scope="session")
def tiny_library(tmp_path_factory):
    """The path of a small Liberty file."""
    path = tmp_path_factory.mktemp("library") / "tiny.lib"
    path.write_text(library.text())
    return path


@pytest.fixture
def tiny(tiny_library):
    return read_library(tiny_library)
