"""How data moves: readers, the lake, publishing, Dagster definitions and the command line.

Belongs here: files, engines and orchestration. Does not belong here: any rule of the
payment scheme (`pricing`), or what a table must look like (`schemas`).
"""

import os

# A join may hold ten million rows before it chooses its smaller side; ours are known small.
os.environ.setdefault("POLARS_JOIN_SAMPLE_LIMIT", "100000")
