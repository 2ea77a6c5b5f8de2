"""Pricing whole records: the steps in order, from a valid record to a priced line.

Belongs here: the order of the steps and what comes out of them. Does not belong here: any
one step's rule, which has a module of its own.

    spells = price_spells(valid_spells, reference, scheme)
    lines, refused = priced_lines(spells), refusals(spells)

Every record comes out exactly once: `priced_lines` and `refusals` share none and leave
none out.
"""

from itertools import product
from typing import Any

import narwhals.stable.v2 as nw

from pricing import (
    ebi,
    elective_scope,
    hrg_bridge,
    long_stay,
    low_volume,
    mff,
    national_price,
    organisations,
    payable,
    point_of_delivery,
    unit_price,
)
from pricing.decision import first_that_fits
from pricing.mechanism import payment_mechanism
from pricing.money import is_too_large
from pricing.reasons import Refusal
from pricing.reference import Reference
from pricing.scheme import Scheme
from pricing.short_stay_emergency import is_short_stay_emergency
from schemas.priced_line import PRICED_LINE_COLUMNS

_NO_TEXT = nw.lit(None, dtype=nw.String)
_NO_PENCE = nw.lit(0, dtype=nw.Int64)


def price_spells(
    spells: nw.LazyFrame[Any], reference: Reference, scheme: Scheme
) -> nw.LazyFrame[Any]:
    """Prices admitted patient care spells.

    Takes valid spells (`schemas.contracts`) with their `activity_month` and `cut`; gives
    one row for each with every column of the priced line and `refusal_codes`.
    """
    spells = spells.with_columns(
        costing_date=nw.col("end_date"),
        organisation_code=organisations.payer_as_delivered(),
    )
    parties = organisations.find_parties(spells, reference)
    approved = ebi.approvals(spells, parties, reference, scheme.evidence_based_interventions)
    excepted = low_volume.exceptions(spells, parties, reference)
    spells = spells.join(parties, on=list(organisations.DELIVERED_PARTIES), how="left")
    spells = spells.join(hrg_bridge.hrg_prices(reference), on="hrg_code", how="left")
    spells = spells.join(_marks(approved, excepted), on="record_id", how="left")
    spells = spells.with_columns(
        stay_for_payment_days=long_stay.stay_for_payment_days(),
        national_price_exclusion=national_price.exclusion(scheme.national_price),
        attendance_hrg_code=_NO_TEXT,
    )
    spells = spells.with_columns(
        is_hrg_retired=hrg_bridge.is_retired(scheme),
        is_short_stay_emergency=is_short_stay_emergency(scheme.spells, scheme.short_stay_emergency),
    )
    spells = spells.with_columns(point_of_delivery_code=point_of_delivery.of_spells(scheme.spells))
    spells = spells.with_columns(price_source=unit_price.source_for_spells())
    spells = spells.with_columns(
        unit_price_pence=unit_price.of_spells(),
        excess_bed_days=long_stay.excess_bed_days(),
    )
    spells = spells.with_columns(long_stay_pence=long_stay.long_stay_pence())
    spells = spells.with_columns(ebi_outcome=ebi.outcome(scheme.evidence_based_interventions))
    spells = _worth(spells, scheme)
    spells = spells.with_columns(
        is_elective_activity=elective_scope.is_elective_spell(scheme.elective_scope)
    )
    is_out_of_area = low_volume.is_out_of_area_spell(scheme.low_volume, scheme.spells)
    return _pay(spells, scheme, is_out_of_area, dataset="apc")


def price_attendances(
    attendances: nw.LazyFrame[Any], reference: Reference, scheme: Scheme
) -> nw.LazyFrame[Any]:
    """Prices outpatient attendances and procedures.

    Takes valid attendances (`schemas.contracts`) with their `activity_month` and `cut`;
    gives one row for each with every column of the priced line and `refusal_codes`.
    """
    rules = scheme.attendances
    attendances = attendances.with_columns(
        costing_date=nw.col("appointment_date"),
        organisation_code=organisations.payer_as_delivered(),
    )
    parties = organisations.find_parties(attendances, reference)
    excepted = low_volume.exceptions(attendances, parties, reference)
    attendances = attendances.join(parties, on=list(organisations.DELIVERED_PARTIES), how="left")
    attendances = attendances.join(
        hrg_bridge.hrg_prices(reference).select(
            "hrg_code", "price_hrg_code", "outpatient_procedure_price_pence"
        ),
        on="hrg_code",
        how="left",
    )
    attendances = attendances.join(excepted, on="record_id", how="left")
    attendances = attendances.with_columns(
        is_attended=nw.col("attended_or_did_not_attend_code").is_in(rules.attended_codes),
        is_administrative_event=nw.col("first_attendance_code") == rules.administrative_event_code,
        national_price_exclusion=national_price.exclusion(scheme.national_price),
        attendance_hrg_code=point_of_delivery.attendance_hrg(rules),
    )
    attendances = attendances.with_columns(
        is_procedure=unit_price.is_procedure(rules),
        is_hrg_retired=hrg_bridge.is_retired(scheme)
        & nw.col("is_attended")
        & ~nw.col("is_administrative_event"),
        price_column=unit_price.price_column(rules),
        attendance_kind=point_of_delivery.attendance_kind(rules),
    )
    attendances = attendances.join(
        reference.attendance_prices, on=["treatment_function_code", "price_column"], how="left"
    )
    attendances = attendances.with_columns(price_source=unit_price.source_for_attendances())
    attendances = attendances.with_columns(
        point_of_delivery_code=point_of_delivery.of_attendances(rules),
        unit_price_pence=unit_price.of_attendances(),
        excess_bed_days=_NO_PENCE,
        long_stay_pence=_NO_PENCE,
        ebi_outcome=nw.lit(ebi.NOT_APPLICABLE),
    )
    attendances = _worth(attendances, scheme)
    attendances = attendances.with_columns(
        is_elective_activity=elective_scope.is_elective_attendance(scheme.elective_scope, rules)
    )
    return _pay(attendances, scheme, nw.lit(False), dataset="op")


def priced_lines(priced: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The priced lines (`schemas.priced_line.PRICED_LINE`) of records that were not refused."""
    return priced.filter(nw.col("refusal_codes").is_null()).select(*PRICED_LINE_COLUMNS)


def refusals(priced: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """`record_id` and `refusal_codes` (joined by a space) of records that were refused."""
    return priced.filter(~nw.col("refusal_codes").is_null()).select("record_id", "refusal_codes")


def _marks(approved: nw.LazyFrame[Any], excepted: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """What the users' lists say of single records, in one frame.

    Joining each list to all records would cost as much as joining the prices.
    """
    flags = tuple(low_volume.EXCEPTION_FLAGS.values())
    no, yes = nw.lit(False), nw.lit(True)
    approvals = approved.select(
        "record_id", yes.alias("is_approved"), *(no.alias(flag) for flag in flags)
    )
    exceptions = excepted.select("record_id", no.alias("is_approved"), *flags)
    every = nw.concat([approvals, exceptions])
    return every.group_by("record_id").agg(*(nw.col(f).any() for f in ("is_approved", *flags)))


def _worth(records: nw.LazyFrame[Any], scheme: Scheme) -> nw.LazyFrame[Any]:
    """Adds `top_up_pence`, `pre_mff_pence`, `refusal_codes` and `value_pence`."""
    records = records.with_columns(top_up_pence=_NO_PENCE)
    records = records.with_columns(pre_mff_pence=mff.pre_mff_pence())
    records = records.with_columns(refusal_codes=_refusal_codes())
    return records.with_columns(
        value_pence=nw.when(nw.col("refusal_codes").is_null()).then(
            mff.value_pence(scheme.rounding)
        )
    )


def _refusal_codes() -> nw.Expr:
    """Every reason a record cannot be priced, joined by a space; null where there is none."""
    no_provider = nw.col("provider_code").is_null()
    no_commissioner = nw.col("commissioner_code").is_null()
    is_provider_listed = nw.col("is_provider_listed")
    is_commissioner_listed = nw.col("is_commissioner_listed")
    # Of each group one at most applies.
    groups: list[dict[Refusal, nw.Expr]] = [
        {
            Refusal.PROVIDER_UNKNOWN: no_provider & ~is_provider_listed,
            Refusal.PROVIDER_NOT_IN_PRICE_YEAR: no_provider & is_provider_listed,
            Refusal.MFF_MISSING: ~no_provider & nw.col("mff_ppm").is_null(),
        },
        {
            Refusal.COMMISSIONER_UNKNOWN: no_commissioner & ~is_commissioner_listed,
            Refusal.COMMISSIONER_NOT_IN_PRICE_YEAR: no_commissioner & is_commissioner_listed,
        },
        {Refusal.AMOUNT_TOO_LARGE: is_too_large(nw.col("pre_mff_pence"))},
    ]
    # Every set of refusals is a row, the larger sets first, so that none is left out.
    sets = [
        [code for code in one if code] for one in product(*([*group, None] for group in groups))
    ]
    tests = {code: test for group in groups for code, test in group.items()}
    rows = [
        (
            nw.all_horizontal(*(tests[refusal] for refusal in found), ignore_nulls=False),
            " ".join(found),
        )
        for found in sorted(sets, key=len, reverse=True)
        if found
    ]
    return first_that_fits(rows, otherwise=None)


def _pay(
    records: nw.LazyFrame[Any],
    scheme: Scheme,
    is_out_of_area: nw.Expr,
    dataset: str,
) -> nw.LazyFrame[Any]:
    """Adds the mechanism, what it pays, and the columns that name the line."""
    records = records.with_columns(
        is_covered_by_block=low_volume.is_covered(
            scheme.mechanism, scheme.low_volume, is_out_of_area
        )
    )
    records = records.with_columns(payment_mechanism=payment_mechanism(scheme.mechanism))
    records = records.with_columns(
        payable_pence=payable.payable_pence(scheme),
        is_in_activity_target=payable.is_in_activity_target(scheme),
        reason_code=payable.reason_code(scheme),
        line_number=nw.lit(0, dtype=nw.Int64),
        dataset=nw.lit(dataset),
        scheme_year=nw.lit(scheme.scheme_year),
    )
    return records.select(*PRICED_LINE_COLUMNS, "refusal_codes")
