import base64
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from gen import report as command
from gen.build import main as build
from gen.output import MANIFEST, PAGE
from gen.page import page
from tests.gen.browser import browser, look
from tests.gen.test_description import SMALL


VOID = {"meta", "br", "img"}


class Reader(HTMLParser):
    """Checks that elements are closed in order, and gathers text, values and attributes."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.text, self.values, self.attributes, self.tags = [], [], [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)
        if tag == "data":
            self.values.append(dict(attrs)["value"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read_page(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A build, and an estimate, of a small network whose table of energies has names with marks of HTML."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "mine.toml").write_text(SMALL)
    (folder / "energy.toml").write_text(
        'name = "<b>&mine"\n[[circuit]]\nname = "<script>alert(1)</script>"\nper = "array_reads"\n'
        'energy = 3\nunit = "pJ"\nsource = "http://example.org/\\" onload=\\"x"\nconditions = "\'"\n')
    for out, more in (("whole", []), ("estimate", ["--outputs", "estimate,energy"])):
        assert build(["--layers", str(folder / "mine.toml"), "--random", "2", "--energy",
                      str(folder / "energy.toml"), "--out", str(folder / out), *more]) == 0
    return folder


def numbers(value):
    if isinstance(value, dict | list):
        for below in (value.values() if isinstance(value, dict) else value):
            yield from numbers(below)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


@pytest.mark.parametrize("name", ["whole", "estimate"])
def test_every_number_of_the_reports_is_there(built, name):
    """In full, and with a text beside it."""
    reader = read_page((built / name / PAGE).read_text())
    there  = set(reader.values)
    found  = 0
    for path in (built / name / "report").glob("*.json"):
        for value in numbers(json.loads(path.read_text())):
            assert repr(value) in there, path
            found += 1
    assert found > 1000
    assert "Energy of an image, by layer and part" in reader.text


@pytest.mark.parametrize("name", ["whole", "estimate"])
def test_the_page_asks_nothing_of_the_network(built, name):
    text   = (built / name / PAGE).read_text()
    reader = read_page(text)
    assert not reader.tags & {"script", "link", "img", "iframe", "object", "embed", "a", "form", "base"}
    assert not {attribute for attribute, _ in reader.attributes} & {"src", "href", "srcset", "action"}
    assert not [attribute for attribute, _ in reader.attributes if attribute.startswith("on")]
    styles = [text for attribute, text in reader.attributes if attribute == "style"]
    assert all(re.fullmatch(r"(width|left):[\d.]+%", style) for style in styles) and styles
    [sheet] = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert "url(" not in sheet and "@import" not in sheet
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in reader.attributes
    # What was given is text, whatever it is.
    assert "<script>alert(1)</script>" in reader.text and "<b>&mine" in reader.text


def test_light_and_dark_and_any_width(built):
    text = (built / "whole" / PAGE).read_text()
    assert ("name", "viewport") in read_page(text).attributes
    assert "@media (prefers-color-scheme: dark)" in text and "color-scheme: light dark" in text
    # Tables, which may be wider than a phone, scroll by themselves.
    assert text.count('<div class="wide"><table>') == text.count("<table>") > 5


def test_in_a_browser(built, tmp_path):
    """On a phone and a screen, by day and at night: no error, no request to a network, nothing wider than
    the window; with a page that does all three wrong beside it."""
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "wide.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="2000" height="10"/>')
    (folder / "wide.csv").write_text("panel,series,T,value,low,high\nNLL,plain,1.0,0.5,,\n")
    (tmp_path / "page").mkdir()
    shutil.copytree(built / "whole", tmp_path / "page" / "whole")
    assert command.main([str(tmp_path / "page" / "whole"), "--figures", str(folder)]) == 0
    wrong = tmp_path / "wrong.html"
    wrong.write_text('<body><div style="width:2000px"><img src="http://example.invalid/a.png">'
                     "<script>nothing()</script></div></body>")
    with browser() as chromium:
        for path in (tmp_path / "page" / "whole" / PAGE, built / "estimate" / PAGE):
            papers = set()
            for width in (400, 1200):
                for scheme in ("light", "dark"):
                    seen = look(chromium, path, width, scheme)
                    assert (seen.errors, seen.requests) == ([], [])
                    assert seen.width <= width
                    assert "Energy of an image, by layer and part" in seen.text
                    papers.add((scheme, seen.paper))
            assert len(papers) == 2 and len({paper for _, paper in papers}) == 2
        seen = look(chromium, wrong, 400)
        assert any("nothing is not defined" in error for error in seen.errors)
        assert seen.requests == ["http://example.invalid/a.png"] and seen.width >= 2000


def test_bars_are_what_the_reports_say(built):
    """Shares of the width, of the layer that takes most; the bottleneck is named."""
    reports = {path.stem: json.loads(path.read_text())
               for path in (built / "whole" / "report").glob("*.json")}
    text    = (built / "whole" / PAGE).read_text()
    energy  = reports["energy"]
    places  = energy["schedules"]["shared"]["passes"][str(energy["passes"])]["places"]
    most    = max(place["energy_j"] for place in places.values())
    for place in places.values():
        if energy_of_arrays := place["parts"].get("arrays", {}).get("energy_j"):
            assert f'style="width:{100 * energy_of_arrays / most:.4f}%" title="arrays"' in text
    layers  = reports["estimate_layer_cycles"]["layers"]
    engines = {name: layer["max_cycles"] for name, layer in layers.items()}
    engines["random bits"] = reports["estimate_network_performance"]["random_cycles_per_image"]
    slowest = max(engines, key=engines.get)
    assert f"The bottleneck is {slowest}, with" in text
    assert text.count('<span class="bottleneck">') == 1


def test_cells_are_there_before_a_synthesis(built):
    report = json.loads((built / "estimate" / "report" / "estimate_resources.json").read_text())
    text   = (built / "estimate" / PAGE).read_text()
    for name, block in report["blocks"].items():
        cells = "".join(rf'<td class=number><data value="{count}">[\d,]+</data></td>'
                        for count in block.values())
        assert re.search(f"<td>{name}</td>{cells}", text)


def test_makes_the_page_again(built, capsys):
    path   = built / "whole" / PAGE
    before = path.read_bytes()
    path.write_text("lost")
    assert command.main([str(built / "whole")]) == 0
    assert capsys.readouterr().out == f"{path}\n" and path.read_bytes() == before
    # A page is no reason to refuse the next build.
    path.write_text("another")
    assert build(["--config", str(built / "whole" / "config.json"), "--out", str(built / "whole")]) == 0
    assert path.read_bytes() == before


def test_figures_are_on_the_page(built, tmp_path, capsys):
    """As images that are in it, with all numbers as text."""
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "a&b.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(2)</script></svg>')
    (folder / "a&b.csv").write_text('panel,series,T,value,low,high\n"NLL",<b>,1.0,0.012345678,,\n')
    path = built / "whole" / PAGE
    assert command.main([str(built / "whole"), "--figures", str(folder)]) == 0
    text, reader = path.read_text(), read_page(path.read_text())
    assert "0.012345678" in reader.values and "<b>" in reader.text and "a&b" in reader.text
    assert "alert(2)" not in text and not reader.tags & {"script", "b"}
    assert "golden.plot FIGURE" not in text
    source, = (value for name, value in reader.attributes if name == "src")
    assert base64.b64decode(source.removeprefix("data:image/svg+xml;base64,")) == (
        folder / "a&b.svg").read_bytes()
    assert command.main([str(built / "whole")]) == 0
    capsys.readouterr()
    for contents, message in (
            (b"a,b\n1\n", f"Table {folder}/a&b.csv is none of a figure; draw it again"),
            (b"\xff\xfe", f"Table {folder}/a&b.csv is none of a figure; draw it again"),
            (None, f"File {folder}/a&b.csv cannot be read (No such file or directory); draw the figure "
                   "again")):
        (folder / "a&b.csv").unlink()
        if contents is not None:
            (folder / "a&b.csv").write_bytes(contents)
        assert command.main([str(built / "whole"), "--figures", str(folder)]) == 2
        assert capsys.readouterr().err == f"gen.report: {message}\n"
    assert command.main([str(built / "whole"), "--figures", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"gen.report: Folder {tmp_path} has no figures; make some with: python -m golden.plot FIGURE "
        f"NETWORK --out {tmp_path}\n")


def test_of_some_reports_alone():
    """What there is not has no section."""
    alone = read_page(page({})).text
    command_of_figures = "python -m golden.plot FIGURE NETWORK --out FOLDER"
    assert alone.count("All figures") == alone.count(command_of_figures) == 1
    text = page({"synth_ecp5": {"status": "not_run", "reason": "<none>"}})
    assert "&lt;none&gt;" in text and read_page(text)


def refused(folder, capsys):
    assert command.main([str(folder)]) == 2
    return capsys.readouterr().err


def test_refuses(built, tmp_path, capsys):
    way_out = "make one with: python -m gen.build --layers NETWORK --out DIR"
    assert refused(tmp_path / "none", capsys) == (
        f"gen.report: Folder {tmp_path}/none has no manifest.json that can be read (No such file or "
        f"directory); {way_out}\n")
    for text in ("", "[]", '{"files": 3, "generator_version": "1"}', "[" * 100_000):
        (tmp_path / MANIFEST).write_text(text)
        assert refused(tmp_path, capsys) == (
            f"gen.report: Manifest {tmp_path}/manifest.json is none that a build has written; {way_out}\n")
    (tmp_path / MANIFEST).write_text('{"files": {}, "generator_version": "0.0"}')
    assert re.fullmatch(rf"gen.report: Build in {tmp_path} is by version 0.0, and this is version .*; "
                        r"build it again\n", refused(tmp_path, capsys))
    path = built / "estimate" / "report" / "energy.json"
    text = path.read_text()
    path.write_text(text.replace("1", "2", 1))
    assert refused(built / "estimate", capsys) == (
        f"gen.report: Report {path} was changed since it was built; build it again\n")
    path.unlink()
    assert refused(built / "estimate", capsys) == (
        f"gen.report: Report {path} cannot be read (No such file or directory); build it again\n")
    path.write_text(text)
