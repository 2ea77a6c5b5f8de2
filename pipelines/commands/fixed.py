"""`sus-pricing fixed`: the fixed element of a contract, built from a worksheet.

Belongs here: reading options and setting the worksheet out for people. Does not belong here: any
amount (`pricing.fixed_element`), or what a contract file may say (`pipelines.fixed_worksheets`).
"""

import typer

app = typer.Typer(
    help="The fixed element of API contracts: built from worksheets.",
    no_args_is_help=True,
)
