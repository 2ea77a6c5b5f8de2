"""What a table must look like: column contracts and record rules.

Belongs here: the columns of every table that crosses a room's wall, the record rules
with their codes, and the contracts made from both. Does not belong here: what anything
is worth (`pricing`), and where files are kept (`pipelines`).
"""
