"""The pages keep their promises: their code runs, and what they name is there.

A block of code is run, unless a line *Not run by the tests ...* with the reason stands above it; then its
commands and options must exist. Blocks of ``text`` are what a command prints, or a drawing.
"""

import contextlib
import functools
import importlib
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.measurements import MEASUREMENTS
from spincim.__main__ import COMMANDS


ROOT = Path(__file__).parent.parent.parent

#: Pages in which code stands, in the order in which a reader meets them.
PAGES = ["README.md", "CONTRIBUTING.md", "docs/getting-started.md", "docs/your-images.md",
         *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")
                 if path.name not in ("getting-started.md", "your-images.md"))]

#: Those whose code takes longest.
LONG = {"docs/methods.md", "docs/network-files.md", "docs/other-frameworks.md", "docs/figures.md",
        "docs/energy.md"}

NOT_RUN = re.compile(r"\*Not run by the tests[^:*]*: [^*]+\.\*")


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    kind: str
    code: str
    marked: bool #: That it is not run, with the reason.

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks(page, text=None):
    """Yield the blocks of code of a page."""
    lines = (text or (ROOT / page).read_text()).splitlines()
    opened = None
    for number, line in enumerate(lines, 1):
        if opened is None and line.lstrip().startswith("```"):
            opened = number
        elif opened is not None and line.strip() == "```":
            above = "\n".join(lines[:opened - 1]).rstrip().split("\n\n")[-1].replace("\n", " ")
            yield Block(page, opened, lines[opened - 1].strip().strip("`"),
                        "\n".join(lines[opened:number - 1]), bool(NOT_RUN.fullmatch(above)))
            opened = None
    assert opened is None, f"{page}:{opened} is never closed"


BLOCKS = [block for page in PAGES for block in blocks(page)]


def test_reading_of_blocks():
    text = "one\n\n```sh\nls\n```\n\n*Not run by the tests here: it is\nlong.*\n\n```python\n1\n2\n```\n"
    assert list(blocks("page", text)) == [Block("page", 3, "sh", "ls", False),
                                          Block("page", 10, "python", "1\n2", True)]
    [block] = blocks("page", "*Not run by the tests.*\n\n```sh\nls\n```\n")
    assert not block.marked # a reason is missing


def test_kinds_of_blocks():
    assert BLOCKS
    for block in BLOCKS:
        assert block.kind in ("sh", "python", "toml", "c", "text"), f"{block} is of an unknown kind"
        assert not block.marked or block.kind != "text", f"{block} is no code"


# What is run.

@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with LeNet-5 in build/lenet5, which all pages share; what its build has printed is in
    printed.txt."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "bin").mkdir()
    program = folder / "bin" / "spincim" # as it is installed
    program.write_text(f"#!{sys.executable}\nfrom spincim.__main__ import main\nraise SystemExit(main())\n")
    program.chmod(0o755)
    printed = run("python -m gen.build --layers lenet5", folder)
    (folder / "printed.txt").write_text(printed)
    return folder


@functools.cache
def run(code, folder, kind="sh"):
    """Run a block of code in ``folder`` as a reader does, once if it stands there twice, and return what it
    has printed; a file, whose name is its first line, is written; C is compiled, with the header of a build
    with a bus."""
    if kind == "c":
        subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-fsyntax-only",
                        "-xc", "-I", folder / "build" / "lenet5_axi" / "bus", "-"],
                       input=code, text=True, check=True)
        return ""
    if kind == "toml":
        (folder / code.splitlines()[0].removeprefix("# ")).write_text(code)
        return ""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "PATH": os.pathsep.join(
        (str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]))}
    command = ["bash", "-euo", "pipefail", "-c"] if kind == "sh" else [sys.executable, "-c"]
    done = subprocess.run([*command, code], cwd=folder, env=environment, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", [
    pytest.param(page, marks=pytest.mark.long if page in LONG else ()) for page in PAGES if any(
        block.page == page and block.kind != "text" and not block.marked for block in BLOCKS)])
def test_code_runs(page, folder):
    if page == "docs/other-frameworks.md":
        pytest.importorskip("torch", reason="the extra 'check' leaves torch out, of which the page is")
    for block in BLOCKS:
        if block.page == page and block.kind != "text" and not block.marked:
            run(block.code, folder, block.kind)


def test_the_pages_that_run_something():
    """So that not every block is marked."""
    assert {block.page for block in BLOCKS if block.kind != "text" and not block.marked} == {
        "README.md", "docs/blocks.md", "docs/bus.md", "docs/energy.md", "docs/figures.md",
        "docs/getting-started.md", "docs/methods.md", "docs/network-files.md", "docs/other-frameworks.md",
        "docs/reading-results.md", "docs/your-images.md"}


@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md"])
def test_what_a_build_prints(page, folder):
    printed = (folder / "printed.txt").read_text()
    [block] = [block for block in BLOCKS if block.page == page and block.kind == "text"]
    assert printed.startswith(block.code + "\n")


def test_what_a_build_writes(folder):
    [block] = [block for block in BLOCKS
               if block.page == "docs/reading-results.md" and block.kind == "text"]
    built = folder / "build" / "lenet5"
    named = set(re.findall(r"^  ([\w.]+)/? ", block.code, re.MULTILINE))
    assert named == {path.name for path in built.iterdir()}
    for report in (built / "report").iterdir():
        assert report.stem in block.code


# What is only looked at.

@functools.cache
def help_of(module, *words):
    text = io.StringIO()
    with contextlib.redirect_stdout(text), pytest.raises(SystemExit) as stop:
        importlib.import_module(module).main([*words, "--help"])
    assert stop.value.code == 0
    return text.getvalue()


def commands(code):
    """Yield the commands of a block of shell, as words."""
    for line in code.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def check_exists(words):
    """Raise unless a command, and the options that it names, exist."""
    match words:
        case ["python", "-m", "pytest", *_] | ["ruff", *_] | ["export", *_]:
            pass
        case ["python", "-m", module, *arguments]:
            # Each block has options of its own.
            words = arguments[:1] if module == "gen.block" else []
            for option in arguments:
                if option.startswith("-"):
                    known = help_of(module, *words)
                    assert re.search(rf"(?<![\w-]){option.split('=')[0]}(?![\w-])", known), option
        case ["spincim", command, *arguments]:
            assert command in COMMANDS, command
            check_exists(["python", "-m", COMMANDS[command][0], *arguments])
        case ["make", *arguments]:
            targets = [word for word in arguments if "=" not in word]
            makefile = (ROOT / "Makefile").read_text()
            known = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
            assert targets and set(targets) <= set(known[1].split()), targets
        case _:
            raise AssertionError(f"it is not known how to check: {shlex.join(words)}")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == "sh"], ids=str)
def test_commands_and_options_exist(block):
    for words in commands(block.code):
        check_exists(words)


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_commands_of_the_page_of_results_exist(name):
    check_exists(shlex.split(MEASUREMENTS[name].command))


@pytest.mark.parametrize("line", [
    "python -m gen.build --layer lenet5", "python -m gen.build --network-name x", "make nothing",
    "make A=1", "spincim make", "spincim build --layer lenet5", "nobody",
])
def test_what_is_not_there_is_found(line):
    with pytest.raises(AssertionError):
        check_exists(shlex.split(line))


#: Every page, VERIFICATION.md and what is new since the last version among them.
ALL = [*PAGES, "CHANGELOG.md", "VERIFICATION.md"]


def anchors(path):
    """Anchors of the headings of a page, as GitHub and mkdocs make them."""
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("page", ALL)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text()):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page):
    """Those in backticks that begin with a folder of the project."""
    named = re.findall(r"`((?:hdl|gen|golden|sim|bench|tests|constraints|\.ci)/[\w/.]+)`",
                       (ROOT / page).read_text())
    for name in named:
        assert (ROOT / name).exists(), name


def test_the_tree():
    [block] = [block for block in BLOCKS if block.page == "docs/how-it-works.md" and block.kind == "text"]
    named, package = set(), None
    for line in block.code.splitlines():
        place = line.split("/ ")[0]
        if not place.startswith(" "):
            package = place
        named.add(place if place == package else f"{package}/{place.strip()}")
    folders = {path.parent.relative_to(ROOT).as_posix()
               for depth in ("*", "*/*") for path in ROOT.glob(f"{depth}/__init__.py")}
    assert named == {name for name in folders if not name.startswith("tests/")} | {"tests", "constraints"}


def test_every_page_is_in_the_site():
    listed = re.findall(r"^  - ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert sorted(listed) == sorted(pages | {"VERIFICATION.md", "CONTRIBUTING.md", "CHANGELOG.md"})


def test_each_term_has_a_definition_and_the_words_of_others():
    terms = re.split(r"^### ", (ROOT / "docs" / "glossary.md").read_text(), flags=re.MULTILINE)[1:]
    assert terms
    for term in terms:
        assert re.fullmatch(r"[^\n]+\n\n[A-Z](.|\n)+\.\n\n\*Textbook:\*(.|\n)+ \*Papers:\*(.|\n)+\.\s*"
                            r"(## [^\n]+\s*)?", term), term


def test_the_citation_is_of_this_version():
    """What cffconvert finds well-formed could still be out of date."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = dict(re.findall(r"^([\w-]+): (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE))
    assert (cited["version"], cited["license"]) == (project["version"], project["license"]["text"])


# The first screen.

def cells(page, heading=""):
    """Rows of the tables below a heading of a page, by their first cell."""
    text = (ROOT / page).read_text().split(f"## {heading}\n" if heading else "\n", 1)[1].split("\n## ")[0]
    return {row[0]: row[1:] for row in (
        [cell.strip().strip("*") for cell in line.strip("|").split("|")]
        for line in text.splitlines() if line.startswith("|"))}


def test_the_first_screen_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 100


def test_figures_of_the_first_screen_are_those_of_the_results():
    first   = cells("README.md")
    results = cells("docs/results.md", "LeNet-5 with Scale-Dropout, MNIST")

    def with_one_pass(figure):
        """The figure of T passes, with that of all scales kept in brackets."""
        averaged = results[f"{figure}, T = 20"][:2]
        kept = [both.split(", ")[0] for both in results[f"{figure}, all scales kept; exact"][:2]]
        return [f"{mean} ({one})" for mean, one in zip(averaged, kept, strict=True)]

    assert first["accuracy, T = 20 passes"] == results["accuracy, T = 20"][:2]
    for words, figure in (("negative log likelihood", "NLL"), ("calibration error (ECE)", "ECE")):
        assert first[f"{words}, T = 20 (without randomness)"] == with_one_pass(figure)
    for row in ("cycles from image to image, T = 1", "cycles from image to image, T = 20"):
        assert first[row] == results[row][:2]
    for words, row in (("the same, if passes share no work", "the same, passes one after another"),
                       ("the same, seven accelerators side by side",
                        "the same, seven instances side by side")):
        assert first[words] == results[row][:2]


def test_figures_of_the_fpga_are_those_of_the_results():
    text = (ROOT / "docs" / "results.md").read_text()
    [lut, *_] = cells("docs/results.md", "LeNet-5 with Scale-Dropout on an ECP5")["whole design, routed"]
    [clock] = re.findall(r"The clock reaches ([\d.]+) MHz", text)
    assert cells("README.md")["on an FPGA (ECP5, speed grade 6), crossbars emulated"] == [
        f"{lut} LUT4, {clock} MHz", "not run"]


def test_figures_of_standard_cells_are_those_of_their_page():
    text = (ROOT / "docs" / "standard-cells.md").read_text()
    [area]   = re.findall(r"^of MNIST: ([\d,]+) um2 in", text, re.MULTILINE)
    [energy] = re.findall(r"\*\*([\d.]+) nJ an image\*\*", text)
    row = cells("README.md")["all but the crossbars in [cells of 45 nm](docs/standard-cells.md), T = 20"]
    assert row[0] == f"{int(area.replace(',', '')) / 1e6:.3f} mm2, {float(energy) / 1000:.4f} uJ an image"


def test_continuous_integration_names_its_steps():
    run = subprocess.run(["bash", str(ROOT / ".ci" / "run"), "docs", "nothing"], capture_output=True,
                         text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (".ci/run: there is no step 'nothing'; choose from: "
                          "system build tests oldest newest docs long\n")
