"""Pricing whole records: the steps in order, from a valid record to its priced lines.

Belongs here: the order of the steps and what comes out of them. Does not belong here: any
one step's rule, which has a module of its own.

    parties = parties_of(valid_spells, reference, scheme)
    marks = marks_of_spells(valid_spells, parties, reference, scheme)
    lines = price_spells(valid_spells, parties, marks, reference, scheme)

Parties and marks are small beside the records and are joined to them: they must be
materialised before, or an engine that streams holds every record until they are known. Every
record comes out exactly once: as its lines, that of the core HRG (0) and one for each unbundled
HRG, or as one row that is refused.
"""

from typing import Any

import narwhals.stable.v2 as nw

from pricing import (
    best_practice,
    contracts,
    ebi,
    elective_scope,
    hrg_bridge,
    local_prices,
    long_stay,
    low_volume,
    mechanism,
    mff,
    national_price,
    organisations,
    overseas_visitors,
    payable,
    point_of_delivery,
    top_ups,
    unbundled,
    unit_price,
)
from pricing.money import is_too_large
from pricing.reasons import Refusal
from pricing.reference import Reference
from pricing.scheme import Scheme
from pricing.short_stay_emergency import is_short_stay_emergency
from schemas.priced_line import PRICED_LINE_COLUMNS

_NO_TEXT = nw.lit(None, dtype=nw.String)
_NO_PENCE = nw.lit(0, dtype=nw.Int64)
_NO, _YES = nw.lit(False), nw.lit(True)
_MARKS: dict[str, Any] = {
    "is_approved": nw.Boolean,
    **dict.fromkeys(low_volume.EXCEPTION_FLAGS.values(), nw.Boolean),
    "agreement_covers": nw.String,
    "agreement_mechanism": nw.String,
    "charging_status": nw.String,
    "local_price_pence": nw.Int64,
    "is_variation_approved": nw.Boolean,
    "local_attendance_price_pence": nw.Int64,
    "is_attendance_variation_approved": nw.Boolean,
    "best_practice_tariff_name": nw.String,
    "best_practice_price_pence": nw.Int64,
    "top_up_ppm": nw.Int64,
}
"""What lists and flags say of single records: few of them have any of it."""

_OF_CORE_ALONE = (
    "service",
    "price_source",
    "published_price_pence",
    "unit_price_pence",
    "local_price_pence",
    "is_variation_approved",
    "point_of_delivery_code",
    "best_practice_tariff_name",
    "best_practice_pence",
    "excess_bed_days",
    "long_stay_pence",
    "top_up_pence",
    "ebi_outcome",
    "is_hrg_retired",
    "is_elective_activity",
    "service_mechanism",
    "attendance_hrg_code",
    "price_hrg_code",
    "pre_mff_pence",
)

_OF_UNBUNDLED_ALONE = ("is_unbundled", "is_within_core_price", "is_excluded_item")
"""Facts that hold of no core HRG."""


def parties_of(
    records: nw.LazyFrame[Any], reference: Reference, scheme: Scheme
) -> nw.LazyFrame[Any]:
    """Who provided, who pays and on what terms: one row for each pair of delivered codes.

    Takes valid records.
    """
    delivered = records.with_columns(organisation_code=organisations.payer_as_delivered())
    pairs = organisations.find_parties(delivered, reference)
    asked = mechanism.facts_asked(scheme)
    return (
        contracts.with_terms(pairs, reference.contracts, scheme, asked)
        .join(_pairs_of_lists(reference), on=list(contracts.PAIR), how="left")
        .with_columns(
            is_nhs_provider=nw.col("provider_kind").is_in(scheme.mechanism.nhs_provider_kinds),
            is_block_pair=low_volume.is_block_pair(scheme.mechanism, scheme.low_volume),
            is_in_lists=nw.col("is_in_lists").fill_null(False),
        )
    )


def marks_of_spells(
    spells: nw.LazyFrame[Any],
    parties: nw.LazyFrame[Any],
    reference: Reference,
    scheme: Scheme,
) -> nw.LazyFrame[Any]:
    """What lists and flags say of single spells: a row for each spell they say anything of.

    Takes valid spells and their parties.
    """
    spells = _spells_with_parties(spells, parties)
    approved = ebi.approvals(spells, reference, scheme.evidence_based_interventions)
    of_pairs = _said_of_pairs(spells, reference)
    return _joined(
        [
            local_prices.with_price_of_hrg(of_pairs, reference),
            approved.with_columns(is_approved=_YES),
            reference.overseas_visitors,
            top_ups.rates(spells, reference),
            best_practice.tariffs(
                _with_published_price(spells, reference, scheme), reference, scheme
            ),
        ]
    )


def price_spells(
    spells: nw.LazyFrame[Any],
    parties: nw.LazyFrame[Any],
    marks: nw.LazyFrame[Any],
    reference: Reference,
    scheme: Scheme,
) -> nw.LazyFrame[Any]:
    """Prices admitted patient care spells.

    Takes valid spells (`schemas.contracts`) with their `activity_month` and `cut`, their parties
    and marks; gives every column of the priced line and `refusal_codes`, one row for each line,
    or for a refused spell one row.
    """
    spells = _spells_with_parties(spells, parties)
    spells = _with_published_price(spells, reference, scheme)
    spells = spells.join(marks, on="record_id", how="left")
    spells = _with_local_price(spells)
    spells = spells.with_columns(
        # A price that was agreed for the HRG is one, whatever became of the HRG.
        is_hrg_retired=nw.col("is_hrg_retired") & ~nw.col("is_local"),
        excess_bed_days=long_stay.excess_bed_days(),
        ebi_outcome=ebi.outcome(scheme.evidence_based_interventions),
        best_practice_tariff_name=best_practice.tariff_name(),
        best_practice_pence=best_practice.best_practice_pence(scheme),
    )
    spells = spells.with_columns(
        long_stay_pence=long_stay.long_stay_pence(),
        top_up_pence=top_ups.top_up_pence(scheme),
        is_elective_activity=elective_scope.is_elective_spell(scheme.elective_scope),
        is_stay_unknown=long_stay.is_stay_unknown(scheme),
    )
    is_out_of_area = low_volume.is_out_of_area_spell(scheme.low_volume, scheme.spells)
    return _lines(spells, reference, scheme, is_out_of_area, dataset="apc")


def marks_of_attendances(
    attendances: nw.LazyFrame[Any],
    parties: nw.LazyFrame[Any],
    reference: Reference,
    scheme: Scheme,
) -> nw.LazyFrame[Any]:
    """What lists say of single attendances: a row for each attendance they say anything of.

    Takes valid attendances and their parties.
    """
    attendances = _attendances_with_parties(attendances, parties, scheme)
    of_pairs = local_prices.with_price_of_hrg(_said_of_pairs(attendances, reference), reference)
    return _joined(
        [
            local_prices.with_price_of_attendance(of_pairs, reference, scheme.attendances),
            reference.overseas_visitors,
        ]
    )


def price_attendances(
    attendances: nw.LazyFrame[Any],
    parties: nw.LazyFrame[Any],
    marks: nw.LazyFrame[Any],
    reference: Reference,
    scheme: Scheme,
) -> nw.LazyFrame[Any]:
    """Prices outpatient attendances and procedures.

    Takes valid attendances (`schemas.contracts`) with their `activity_month` and `cut`, their
    parties and marks; gives every column of the priced line and `refusal_codes`, one row for
    each line, or for a refused attendance one row.
    """
    rules = scheme.attendances
    attendances = _attendances_with_parties(attendances, parties, scheme)
    attendances = attendances.join(
        reference.hrg_prices.select(
            "hrg_code", "price_hrg_code", "outpatient_procedure_price_pence"
        ),
        on="hrg_code",
        how="left",
    )
    attendances = attendances.with_columns(
        is_attended=nw.col("attended_or_did_not_attend_code").is_in(rules.attended_codes),
        is_administrative_event=nw.col("first_attendance_code") == rules.administrative_event_code,
        national_price_exclusion=national_price.exclusion(scheme.national_price),
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
    attendances = attendances.with_columns(published_source=unit_price.source_for_attendances())
    attendances = attendances.with_columns(
        point_of_delivery_code=point_of_delivery.of_attendances(rules),
        published_price_pence=unit_price.of_attendances(),
    )
    attendances = attendances.join(marks, on="record_id", how="left")
    attendances = attendances.with_columns(**local_prices.of_procedure_or_attendance())
    attendances = _with_local_price(attendances).with_columns(
        is_hrg_retired=nw.col("is_hrg_retired") & ~nw.col("is_local"),
        excess_bed_days=_NO_PENCE,
        long_stay_pence=_NO_PENCE,
        top_up_pence=_NO_PENCE,
        best_practice_pence=_NO_PENCE,
        ebi_outcome=nw.lit(ebi.NOT_APPLICABLE),
        is_elective_activity=elective_scope.is_elective_attendance(scheme.elective_scope, rules),
        is_stay_unknown=_NO,
    )
    return _lines(attendances, reference, scheme, _NO, dataset="op")


def _spells_with_parties(
    spells: nw.LazyFrame[Any], parties: nw.LazyFrame[Any]
) -> nw.LazyFrame[Any]:
    return _with_parties(spells.with_columns(costing_date=nw.col("end_date")), parties)


def _attendances_with_parties(
    attendances: nw.LazyFrame[Any], parties: nw.LazyFrame[Any], scheme: Scheme
) -> nw.LazyFrame[Any]:
    attendances = attendances.with_columns(
        costing_date=nw.col("appointment_date"),
        attendance_hrg_code=point_of_delivery.attendance_hrg(scheme.attendances),
    )
    return _with_parties(attendances, parties)


def _with_parties(records: nw.LazyFrame[Any], parties: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    records = records.with_columns(organisation_code=organisations.payer_as_delivered())
    found = records.join(parties, on=list(organisations.DELIVERED_PARTIES), how="left")
    return found.with_columns(provider_mff_ppm=nw.col("mff_ppm"))


def _with_published_price(
    spells: nw.LazyFrame[Any], reference: Reference, scheme: Scheme
) -> nw.LazyFrame[Any]:
    """Spells with their parties, their point of delivery and the price published for it."""
    spells = spells.join(reference.hrg_prices, on="hrg_code", how="left")
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
    spells = spells.with_columns(published_source=unit_price.source_for_spells())
    return spells.with_columns(published_price_pence=unit_price.of_spells())


def _pairs_of_lists(reference: Reference) -> nw.LazyFrame[Any]:
    """The pairs of which a list says anything by the day, the HRG or the agreement."""
    lists = (
        reference.lva_exception_days,
        reference.agreements,
        reference.local_hrg_price_days,
        reference.local_attendance_price_days,
    )
    named = nw.concat([one.select(*contracts.PAIR) for one in lists]).unique()
    return named.with_columns(is_in_lists=_YES)


def _said_of_pairs(records: nw.LazyFrame[Any], reference: Reference) -> nw.LazyFrame[Any]:
    """The records of pairs that the lists name, with their exceptions and agreements."""
    named = records.filter(nw.col("is_in_lists"))
    return contracts.with_agreements(low_volume.with_exceptions(named, reference), reference)


def _joined(marks: list[nw.LazyFrame[Any]]) -> nw.LazyFrame[Any]:
    """What lists and flags say of single records, in one frame with a row for each of them.

    Joining each list to all records would cost as much as joining the prices.
    """
    whole = []
    for part in marks:
        said = [name for name in part.collect_schema().names() if name in _MARKS]
        says_something = [~nw.col(name).is_null() for name in said]
        whole.append(
            part.filter(nw.any_horizontal(*says_something, ignore_nulls=False)).select(
                "record_id",
                *(
                    name if name in said else nw.lit(None, dtype=kind).alias(name)
                    for name, kind in _MARKS.items()
                ),
            )
        )
    return (
        nw.concat(whole)
        .group_by("record_id")
        .agg(
            *(
                nw.col(name).any() if kind == nw.Boolean else nw.col(name).max()
                for name, kind in _MARKS.items()
            )
        )
    )


def _with_local_price(lines: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Adds `price_source` and `unit_price_pence`: the published price, or the local one."""
    return lines.with_columns(is_local=local_prices.is_taken()).with_columns(
        price_source=nw.when(nw.col("is_local"))
        .then(nw.lit(local_prices.LOCAL))
        .otherwise(nw.col("published_source")),
        unit_price_pence=nw.when(nw.col("is_local"))
        .then(nw.col("local_price_pence"))
        .otherwise(nw.col("published_price_pence")),
    )


def _lines(
    records: nw.LazyFrame[Any],
    reference: Reference,
    scheme: Scheme,
    is_out_of_area: nw.Expr,
    dataset: str,
) -> nw.LazyFrame[Any]:
    """The lines of records whose core HRG has its price: that line and the unbundled ones."""
    core = records.with_columns(
        line_number=nw.lit(0, dtype=nw.Int64),
        service=_NO_TEXT,
        service_mechanism=_NO_TEXT,
    )
    core = core.with_columns(pre_mff_pence=mff.pre_mff_pence())
    core = core.with_columns(refusal_codes=_refusal_codes())
    refused = nw.col("refusal_codes")
    of_record = [name for name in core.collect_schema().names() if name not in _OF_CORE_ALONE]
    further = unbundled.lines(
        core.filter(refused.is_null()).select(*of_record), reference, scheme, dataset
    )
    further = _with_local_price(further).with_columns(
        best_practice_tariff_name=_NO_TEXT,
        best_practice_pence=_NO_PENCE,
        excess_bed_days=_NO_PENCE,
        long_stay_pence=_NO_PENCE,
        top_up_pence=_NO_PENCE,
        ebi_outcome=nw.lit(ebi.NOT_APPLICABLE),
        attendance_hrg_code=_NO_TEXT,
        price_hrg_code=_NO_TEXT,
        is_hrg_retired=_NO,
        is_elective_activity=unbundled.is_paid_by(scheme.services, mechanism.API_VARIABLE),
        service_mechanism=unbundled.mechanism_of_service(scheme.services),
        is_excluded_item=unbundled.is_paid_by(scheme.services, mechanism.EXCLUDED_ITEM),
        is_unbundled=_YES,
        is_within_core_price=nw.col("published_source") == unit_price.WITHIN_CORE_PRICE,
    )
    further = further.with_columns(pre_mff_pence=mff.pre_mff_pence())
    return nw.concat(
        [
            _pay(core, scheme, is_out_of_area, dataset, never=_OF_UNBUNDLED_ALONE),
            _pay(further, scheme, is_out_of_area, dataset),
        ]
    )


def _refusal_codes() -> nw.Expr:
    """Every reason a record cannot be priced, joined by a space; null where there is none."""
    no_provider = nw.col("provider_code").is_null()
    no_commissioner = nw.col("commissioner_code").is_null()
    is_provider_listed = nw.col("is_provider_listed").fill_null(False)
    is_commissioner_listed = nw.col("is_commissioner_listed").fill_null(False)
    is_refused = {
        Refusal.PROVIDER_UNKNOWN: no_provider & ~is_provider_listed,
        Refusal.PROVIDER_NOT_IN_PRICE_YEAR: no_provider & is_provider_listed,
        Refusal.MFF_MISSING: ~no_provider & nw.col("provider_mff_ppm").is_null(),
        Refusal.COMMISSIONER_UNKNOWN: no_commissioner & ~is_commissioner_listed,
        Refusal.COMMISSIONER_NOT_IN_PRICE_YEAR: no_commissioner & is_commissioner_listed,
        Refusal.ADJUSTED_STAY_MISSING: nw.col("is_stay_unknown"),
        # Between parties who are not known, there is no amount to speak of.
        Refusal.AMOUNT_TOO_LARGE: ~no_provider
        & ~no_commissioner
        & is_too_large(nw.col("pre_mff_pence")),
    }
    codes = nw.concat_str(
        [nw.when(test).then(nw.lit(str(code))) for code, test in is_refused.items()],
        separator=" ",
        ignore_nulls=True,
    )
    return nw.when(nw.any_horizontal(*is_refused.values(), ignore_nulls=True)).then(codes)


def _pay(
    lines: nw.LazyFrame[Any],
    scheme: Scheme,
    is_out_of_area: nw.Expr,
    dataset: str,
    never: tuple[str, ...] = (),
) -> nw.LazyFrame[Any]:
    """Adds the mechanism, the value, what is paid, and the columns that name the line."""
    lines = lines.with_columns(
        is_covered_by_block=low_volume.is_covered(scheme.low_volume, is_out_of_area)
    )
    lines = lines.with_columns(**mechanism.facts(scheme))
    lines = lines.with_columns(rule_number=mechanism.rule_number(scheme, never))
    lines = lines.with_columns(
        mechanism_rule=mechanism.mechanism_rule(scheme),
        payment_mechanism=mechanism.payment_mechanism(scheme),
    )
    lines = lines.with_columns(mff_ppm=mff.factor_ppm(scheme.market_forces_factor))
    lines = lines.with_columns(
        value_pence=nw.when(nw.col("refusal_codes").is_null()).then(
            mff.value_pence(scheme.rounding)
        )
    )
    lines = lines.with_columns(
        payable_pence=payable.payable_pence(scheme),
        patient_charge_pence=overseas_visitors.patient_charge_pence(scheme),
        is_in_activity_target=payable.is_in_activity_target(scheme),
        reason_code=payable.reason_code(scheme),
        dataset=nw.lit(dataset),
        scheme_year=nw.lit(scheme.scheme_year),
    )
    return lines.select(*PRICED_LINE_COLUMNS, "refusal_codes")
