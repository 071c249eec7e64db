from pathlib import Path

from spincim import supported


PAGE = Path(__file__).parents[2] / "docs" / "supported.md"


def test_the_page_is_what_the_code_says(tmp_path, capsys):
    assert PAGE.read_text() == supported.page()
    assert supported.main(["--out", str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_text() == supported.page()
    assert capsys.readouterr().out == f"{tmp_path / 'page.md'}\n"
