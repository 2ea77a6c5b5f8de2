"""How data moves: readers, the lake, publishing, Dagster definitions and the command line.

Belongs here: files, engines and orchestration. Does not belong here: any rule of the
payment scheme (`pricing`), or what a table must look like (`schemas`).
"""
