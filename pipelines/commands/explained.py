"""An explained record, set out for people.

Belongs here: which sections there are and how they look. Does not belong here: any word of a
step or a number (`pipelines.explaining`, `pricing.explaining`).
"""

from collections.abc import Iterable

from rich.markup import escape
from rich.table import Table

from pipelines.commands.console import out
from pipelines.explaining import AsDelivered, ExplainedLine, ExplainedRecord, ExplainedRefusal
from pricing.explaining import PAYABLE, SECTIONS, Step, UnderMechanism, pounds

_KINDS = {"apc": "Spell", "op": "Attendance"}


def show(record: ExplainedRecord) -> None:
    """Prints a record as delivered, then each of its lines and refusals."""
    for delivered in record.as_delivered:
        _show_as_delivered(record.record_id, delivered)
    for line in record.lines:
        _show_line(line)
    for refusal in record.refusals:
        _show_refusal(record.record_id, refusal)


def _show_as_delivered(record_id: str, delivered: AsDelivered) -> None:
    out.print(f"[bold]{_KINDS[delivered.dataset]} {escape(record_id)}[/]")
    where = f"{delivered.cut} of {delivered.activity_month}"
    if delivered.delivery_id:
        where = f"row {delivered.row_number:,} of delivery {delivered.delivery_id}, {where}"
    _heading(f"As delivered: {where}")
    if delivered.values is None:
        _text("Not there: the lake no longer holds it.")
    else:
        _rows(delivered.values.items())


def _show_line(line: ExplainedLine) -> None:
    stored, explanation = line.stored, line.explanation
    out.print(
        f"[bold]Line {stored['line_number']} of {escape(stored['record_id'])}: "
        f"{stored['hrg_code'] or 'no HRG'}[/]"
    )
    for warning in line.warnings:
        out.print(f"[bold yellow]Changed since:[/] {escape(warning)}")
    for difference in explanation.differences:
        out.print(f"[bold red]The row does not hold:[/] {escape(difference)}")
    _heading("Who")
    _rows(map(_as_row, line.who))
    reason = line.reason
    sentence = f"{reason.reason_code}: {reason.sentence}"
    why = Step(PAYABLE, "reason", sentence, reason.citation)
    for section in SECTIONS:
        steps = [step for step in (*explanation.steps, why) if step.section == section]
        _heading(section.capitalize())
        _rows(map(_as_row, steps))
    others = [one for one in explanation.under_each_mechanism if not one.is_taken]
    _heading("Under other mechanisms")
    _rows(map(_as_alternative, others))
    _heading("What to do")
    _text(reason.what_to_do)
    if line.run:
        _text(f"Run {line.run}")


def _show_refusal(record_id: str, refusal: ExplainedRefusal) -> None:
    title = (
        f"Refused by {refusal.refused_by}: {_KINDS[refusal.dataset].lower()} {record_id}, row "
        f"{refusal.row_number:,} of delivery {refusal.delivery_id}"
    )
    _heading(title)
    _rows(
        (one.reason_code, f"{one.sentence} {one.what_to_do}", one.citation)
        for one in refusal.reasons
    )


def _as_row(step: Step) -> tuple[str, str, str]:
    return step.what, step.how, step.citation


def _as_alternative(under: UnderMechanism) -> tuple[str, str, str]:
    amount = "no amount" if under.payable_pence is None else pounds(under.payable_pence)
    return f"{under.mechanism} {amount}", under.how, under.citation


def _heading(text: str) -> None:
    out.print(f"[bold]{escape(text)}[/]")


def _text(text: str) -> None:
    out.print(f"  {escape(text)}")
    out.print()


def _rows(rows: Iterable[tuple[str, ...]]) -> None:
    """Rows of what was found, how, and, if there is a third, what it rests on."""
    table = Table.grid(padding=(0, 2), pad_edge=True)
    for style in ("bold", "", "dim"):
        table.add_column(style=style, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table)
    out.print()
