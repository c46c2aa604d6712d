"""The repository's texts: commands first, links that lead somewhere, settings that exist, nothing local."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from spapp.cli import main
from spapp.importer.schema import read_document
from spcore.settings import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")
NOT_OURS = {".git", ".venv", "var", "dist", "build", "__pycache__", "vendor", "node_modules"}
# Spelt in pieces, so that this file passes its own test.
LOCAL_TRACES = (
    "/" + "work/",
    "/" + "root/",
    "/tmp/" + "brief",
    "." + "library",
    "pypi." + "org",
    "npmjs" + ".org",
)


def files(*suffixes: str) -> Iterator[Path]:
    """Every file of the repository, or those with the given suffixes; caches and vendored files left out."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden_cache = parts[0].startswith(".") and parts[0].endswith("_cache")
        if NOT_OURS.intersection(parts) or hidden_cache or parts[0] == ".hypothesis" or not path.is_file():
            continue
        if not suffixes or path.suffix in suffixes:
            yield path


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", READMES)
def test_a_readme_names_both_commands_first(name: str) -> None:
    first_block = text(name).split("```")[1]
    assert re.findall(r"^make \w+", first_block, re.MULTILINE) == ["make run", "make test"]
    assert text(name).index("```") < 300


def test_both_readmes_have_the_same_shape() -> None:
    shapes = [re.findall(r"^#+|^\||^- |^!", text(name), re.MULTILINE) for name in READMES]
    assert shapes[0] == shapes[1]


def links() -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    for path in files(".md"):
        body = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        found += [(path, target) for target in re.findall(r"\]\(([^)\s]+)\)", body) if "://" not in target]
    return found


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_between_documents_leads_somewhere() -> None:
    broken: list[str] = []
    for path, link in links():
        target, _, anchor = link.partition("#")
        destination = (path.parent / target).resolve() if target else path
        if not destination.exists() or (anchor and anchor not in anchors(destination)):
            broken.append(f"{path.relative_to(ROOT)}: {link}")
    assert len(links()) > 40
    assert broken == []


def test_every_decision_is_in_the_index_and_has_its_four_parts() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert len(pages) >= 15
    for number, page in enumerate(pages, start=1):
        title = page.read_text(encoding="utf-8").splitlines()[0]
        assert page.name.startswith(f"{number:04}-")
        assert title.startswith(f"# {number:04}. ")
        assert f"| {number:04} | [{title[8:]}]({page.name}) |" in index
        parts = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences", "Alternatives considered"], page.name


def test_the_licence_is_apache_2_and_complete() -> None:
    licence = text("LICENSE")
    assert "Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert [int(number) for number in re.findall(r"^   (\d)\. ", licence, re.MULTILINE)] == list(range(1, 10))


def test_env_example_lists_exactly_the_settings() -> None:
    listed = re.findall(r"^#?(WXSP_\w+)=", text(".env.example"), re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == set(VARIABLES)


def test_every_setting_that_a_text_names_exists() -> None:
    named = {
        (path.relative_to(ROOT).as_posix(), variable)
        for path in [*files(".md", ".yml"), ROOT / "Dockerfile", ROOT / "Makefile"]
        for variable in re.findall(r"\bWXSP_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8"))
    }
    assert named
    assert {entry for entry in named if entry[1] not in VARIABLES} == set()


def test_the_example_import_file_is_accepted() -> None:
    example = (ROOT / "docs" / "examples" / "import.json").read_bytes()
    document = read_document(example, datetime(2026, 11, 21, tzinfo=UTC))
    assert [len(provider.tenants) for provider in document.providers] == [1]


def test_no_file_names_a_place_of_the_machine_it_was_written_on() -> None:
    traces: list[str] = []
    for path in files():
        content = path.read_bytes().decode("utf-8", errors="ignore")
        traces += [f"{path.relative_to(ROOT)}: {trace}" for trace in LOCAL_TRACES if trace in content]
    assert traces == []


def test_texts_are_utf8_with_a_final_newline_and_no_trailing_blanks() -> None:
    untidy: list[str] = []
    for path in files(".md", ".py", ".toml", ".yml", ".html", ".css", ".js"):
        content = path.read_text(encoding="utf-8")
        if (content and not content.endswith("\n")) or re.search(r"[ \t]+$", content, re.MULTILINE):
            untidy.append(path.relative_to(ROOT).as_posix())
    assert untidy == []


def test_source_files_keep_to_one_subject() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {lines}"
        for folder in ("platform", "tenants")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := path.read_text(encoding="utf-8").count("\n")) > 500
    ]
    assert long == []


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name)


@pytest.mark.parametrize("name", READMES)
def test_a_readme_lists_exactly_the_commands_that_exist(name: str) -> None:
    cells = re.findall(r"^\| (`wxsp [^|]+) \|", text(name), re.MULTILINE)
    listed = {
        tuple(word for word in example.split()[1:] if re.fullmatch(r"[a-z-]+", word) and word[0] != "-")
        for cell in cells
        for example in re.findall(r"`(wxsp [^`]+)`", cell)
    }
    assert listed == set(commands(main))
