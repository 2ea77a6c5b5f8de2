"""Synthetic SUS+ PbR extracts, exactly as delivered, with faults planted and counted.

A record is a clinical template, a contract, a patient and some paperwork, each drawn from a
pool made once, put together with a date. A stated share of records is broken in one way each.
Every draw comes from `random.Random`, so that a seed gives the same bytes on every machine.
Every identifier is made up.

    reference   what the published tables say of organisations and prices
    extracts    the two extracts: their columns by name, their months and days
    pools       drawing, and the pools of contracts, patients and paperwork
    templates   the pool of clinical templates: what was done, to whom, at what price
    amounts     what SUS+ makes of a price, and the few differences that are planted in it
    records     a run's pools, and good records put together from them
    faults      breaking records, and counting what was planted
    plans       plans, terms and counts of those contracts
    lists       contracts, local prices, overseas visitors and excluded items, a few of each
    schedules   what an LVA payments schedule is made from besides, and where organisations are
    writing     the files, in bounded memory, and the users' lists beside them

Belongs here: all that makes an extract up. The proportions of activity are data (`mix.toml`),
as are the delivered columns (`columns.toml`). Does not belong here: reading and judging
extracts (the readers and `schemas.rules`), which this is made to test. Nothing of theirs is
imported, and nothing outside needs more than the names exported here.
"""

from pipelines.synth.faults import MOST_DIRTY_PPM, Expectations
from pipelines.synth.reference import Reference
from pipelines.synth.writing import write_extracts

__all__ = ["MOST_DIRTY_PPM", "Expectations", "Reference", "write_extracts"]
