"""Which room may import from which: an arrow against the table is a failure.

Belongs here: what each folder may import. Does not belong here: what it does.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.workspace import PROJECT

OURS = frozenset({"schemas", "pricing", "pipelines", "benchmarks", "docs", "tests"})
FRAMES = frozenset({"polars", "pandera"})
ENGINES = frozenset({"polars", "duckdb", "dagster", "pyspark", "pyarrow", "pandas", "pandera"})

MAY_IMPORT_OF_OURS = {
    "schemas": {"schemas"},
    "pricing": {"schemas", "pricing"},
    "pipelines": {"schemas", "pricing", "pipelines"},
}
MAY_IMPORT_OF_OTHERS = {
    "schemas": FRAMES,
    "pricing": frozenset({"narwhals"}),
}


def modules(folder: str) -> list[Path]:
    return sorted((PROJECT / folder).glob("**/*.py"))


def imported_by(path: Path) -> Iterator[str]:
    """Every module a file imports, by its full name."""
    package = path.relative_to(PROJECT).parent.parts
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            yield ".".join([*above, *([node.module] if node.module else [])])


def rooms_of(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported_by(path)}


@pytest.mark.parametrize("folder", MAY_IMPORT_OF_OURS)
def test_a_room_imports_of_ours_only_what_the_table_allows(folder: str) -> None:
    against = {
        path.name: rooms_of(path) & OURS - MAY_IMPORT_OF_OURS[folder]
        for path in modules(folder)
        if rooms_of(path) & OURS - MAY_IMPORT_OF_OURS[folder]
    }
    assert against == {}


@pytest.mark.parametrize("folder", MAY_IMPORT_OF_OTHERS)
def test_a_room_imports_of_others_only_what_it_needs(folder: str) -> None:
    for path in modules(folder):
        others = rooms_of(path) - OURS - sys.stdlib_module_names
        assert others <= MAY_IMPORT_OF_OTHERS[folder], path.name


def test_pricing_knows_no_engine_and_no_file() -> None:
    """Its docstrings show Polars frames, which are not imports of the module."""
    for path in modules("pricing"):
        assert not rooms_of(path) & {*ENGINES, "pathlib", "os", "io", "csv"}, path.name
        narwhals = {name for name in imported_by(path) if name.startswith("narwhals")}
        assert narwhals <= {"narwhals.stable.v2"}, path.name


def test_pricing_of_schemas_takes_names_only() -> None:
    for path in modules("pricing"):
        taken = {name for name in imported_by(path) if name.startswith("schemas")}
        assert taken <= {"schemas.priced_line", "schemas.contract_statements"}, path.name


def test_names_of_columns_need_no_engine() -> None:
    """`pricing` imports it, so what it imports `pricing` imports."""
    for name in ("priced_line", "contract_statements"):
        path = PROJECT / "schemas" / f"{name}.py"
        assert rooms_of(path) <= {*sys.stdlib_module_names, "schemas"}, name


def test_the_oracle_needs_nothing_but_python() -> None:
    for path in modules("tests/oracle"):
        for name in imported_by(path):
            own = name.startswith("tests.oracle")
            assert own or name.partition(".")[0] in sys.stdlib_module_names, f"{path.name}: {name}"


def test_data_has_no_code() -> None:
    kinds = {path.suffix for path in (PROJECT / "data").glob("[!l]*/**/*") if path.is_file()}
    assert kinds <= {".toml", ".csv", ".md"}


def test_the_table_speaks_of_every_room_there_is() -> None:
    rooms = {path.parent.name for path in PROJECT.glob("*/__init__.py")}
    assert rooms >= set(MAY_IMPORT_OF_OURS)
    assert rooms <= OURS
