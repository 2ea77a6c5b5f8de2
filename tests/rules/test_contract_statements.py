"""Contract statements: the cases, the oracle, and what holds of any plans and activity.

Belongs here: the variable element and the blended payments made from sums of lines, plans, terms,
bands and counts. Does not belong here: expected amounts (`tests/cases/statements/`), or sums of
priced lines (`test_statements.py`).
"""

import pytest
from statements import StatementCase, rows_of, statement_cases
from support import ENGINES


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", statement_cases(), ids=lambda case: f"{case.file}: {case.name}")
def test_case(case: StatementCase, engine: str) -> None:
    """Every row is as the case says, and there is no other."""
    found = rows_of(engine, case)
    assert sorted(found) == sorted(case.expect)
    shown = {line: {name: found[line][name] for name in row} for line, row in case.expect.items()}
    assert shown == case.expect
