"""`sus-pricing fixed`: the fixed element of a contract, built from a worksheet.

Belongs here: reading options and setting the worksheet out for people. Does not belong here: any
amount (`pricing.fixed_element`), or what a contract file may say (`pipelines.fixed_worksheets`).
"""

import typer

from pipelines.commands import fixed_review

app = typer.Typer(
    help="The fixed element of API contracts: built from worksheets, and reviewed every year.",
    no_args_is_help=True,
)
app.add_typer(fixed_review.app)
