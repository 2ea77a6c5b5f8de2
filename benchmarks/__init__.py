"""Benchmarks: how fast the pipeline is, and how much memory it takes, against plain references.

Belongs here: making synthetic extracts, timing our steps beside what they are held against on
the same files in the same run, and reporting ratios. Does not belong here: tests (nothing here
asserts a time) or anything that the pipeline needs to run.

    python -m benchmarks.run
"""
