"""`sus-pricing lva`: what is done about LVA blocks, a subject of the command line.

Belongs here: the group of commands. Does not belong here: any command.
"""

import typer

app = typer.Typer(no_args_is_help=True, help="Low volume activity (LVA) blocks.")
