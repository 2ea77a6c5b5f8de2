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
    if delivered.values is None:
        _show_section("As delivered", [("not there", "the lake no longer holds it", where)])
        return
    rows = [(header, value, "") for header, value in delivered.values.items()]
    _show_section(f"As delivered: {where}", rows)


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
    _show_section("Who", map(_as_row, line.who))
    reason = line.reason
    sentence = f"{reason.reason_code}: {reason.sentence}"
    why = Step(PAYABLE, "reason", sentence, reason.citation)
    for section in SECTIONS:
        steps = [step for step in (*explanation.steps, why) if step.section == section]
        _show_section(section.capitalize(), map(_as_row, steps))
    others = [one for one in explanation.under_each_mechanism if not one.is_taken]
    _show_section("Under other mechanisms", map(_as_alternative, others))
    run = [("run", line.run, "")] if line.run else []
    _show_section("What to do", [("", reason.what_to_do, ""), *run])


def _show_refusal(record_id: str, refusal: ExplainedRefusal) -> None:
    title = (
        f"Refused by {refusal.refused_by}: {refusal.dataset} record {record_id}, row "
        f"{refusal.row_number:,} of delivery {refusal.delivery_id}"
    )
    rows = [
        (one.reason_code, f"{one.sentence} {one.what_to_do}", one.citation)
        for one in refusal.reasons
    ]
    _show_section(title, rows)


def _as_row(step: Step) -> tuple[str, str, str]:
    return step.what, step.how, step.citation


def _as_alternative(under: UnderMechanism) -> tuple[str, str, str]:
    amount = "no amount" if under.payable_pence is None else pounds(under.payable_pence)
    return f"{under.mechanism} {amount}", under.how, under.citation


def _show_section(title: str, rows: Iterable[tuple[str, str, str]]) -> None:
    table = Table(
        title=escape(title), title_justify="left", show_header=False, box=None, padding=(0, 1)
    )
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    table.add_column(style="dim", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table)
    out.print()
