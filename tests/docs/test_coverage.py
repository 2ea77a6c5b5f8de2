"""The paragraph index: every paragraph is marked, and no citation belies what is kept by hand."""

import re
from pathlib import Path

import pytest

from docs.builders import coverage
from pipelines.workspace import PROJECT

DOCUMENTS = {"2023/25": 119, "2026/27": 116, "2021/22": 64}
KEPT = ("missing", "guidance", "not_yet")


def texts() -> list[Path]:
    """Everything that cites paragraphs for the reader of the code or of a result."""
    folders = ("schemas", "pricing", "pipelines")
    modules = [path for folder in folders for path in (PROJECT / folder).glob("**/*.py")]
    return [*sorted(modules), PROJECT / "data" / "reasons.toml"]


def test_the_documents_are_the_three_with_their_numbers_of_paragraphs() -> None:
    found = {name: document["paragraphs"] for name, document in coverage.by_hand().items()}
    assert found == DOCUMENTS


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_paragraph_is_marked(name: str) -> None:
    for item in coverage.items(coverage.by_hand()[name]):
        status, why = coverage.status(name, item)
        assert status in coverage.STATUSES
        assert why, item


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_kept_by_hand_is_no_paragraph_twice_and_none_that_there_is_not(name: str) -> None:
    document = coverage.by_hand()[name]
    kept = [item for table in KEPT for item in coverage.said(document[table])]
    assert len(kept) == len(set(kept))
    assert set(kept) <= set(coverage.items(document))
    for table in KEPT:
        assert all(text.endswith(".") for text in document[table].values())
        assert len(coverage.said(document[table])) == sum(
            len(coverage._expanded(key)) for key in document[table]
        )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_nothing_kept_by_hand_contradicts_a_citation(name: str) -> None:
    """What is cited is not said to be left out, and what has a part missing is cited."""
    document = coverage.by_hand()[name]
    cited = {
        item
        for places in (coverage.cited_in_code(), coverage.cited_in_packs())
        for found, item in places
        if found == name
    }
    left_out = {*coverage.said(document["guidance"]), *coverage.said(document["not_yet"])}
    assert left_out & cited == set()
    assert coverage.said(document["missing"]).keys() - cited == set()


def test_only_paragraphs_that_there_are_are_cited() -> None:
    known = {
        (name, item)
        for name, document in coverage.by_hand().items()
        for item in coverage.items(document)
    }
    assert coverage.cited_in_code().keys() | coverage.cited_in_packs().keys() <= known


@pytest.mark.parametrize("path", texts(), ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_every_paragraph_is_cited_with_its_document(path: Path) -> None:
    """So that none is missing from the index: `2023/25 ¶39-40, ¶42`."""
    flat = " ".join(path.read_text("utf-8").split())
    assert re.findall(r".{0,30}¶\d.{0,10}", coverage._CITATION.sub("", flat)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(2023/25 ¶39-40, ¶42)", [("2023/25", "39"), ("2023/25", "40"), ("2023/25", "42")]),
        ("2023/25\n    ¶5, 2026/27 ¶7", [("2023/25", "5"), ("2026/27", "7")]),
        ("2026/27 ¶9, Table 1", [("2026/27", "9"), ("2026/27", "Table 1")]),
        ("2023/25 Appendix 1, Table 2", [("2023/25", "Appendix 1, Table 2")]),
        ("the 2023/25 guidance, paragraph 3; ¶4", []),
    ],
)
def test_citations_are_found(text: str, found: list[tuple[str, str]]) -> None:
    assert list(coverage.citations(text)) == found
