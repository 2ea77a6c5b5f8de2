"""The reference tables that pricing joins to, as frames of the caller's engine.

Belongs here: which tables there are and what columns each must have. Does not belong
here: reading them from files (`pipelines`), or what is in them (`data/`).
"""

from dataclasses import dataclass, fields
from typing import Any, Self

import narwhals.stable.v2 as nw

REFERENCE_COLUMNS: dict[str, dict[str, type]] = {
    "providers": {
        "delivered_code": nw.String,
        "provider_code": nw.String,
        "provider_kind": nw.String,
    },
    "commissioners": {
        "organisation_code": nw.String,
        "commissioner_code": nw.String,
        "commissioner_kind": nw.String,
    },
    "hrg_prices": {
        "hrg_code": nw.String,
        "price_hrg_code": nw.String,
        "outpatient_procedure_price_pence": nw.Int64,
        "combined_price_pence": nw.Int64,
        "day_case_price_pence": nw.Int64,
        "ordinary_elective_price_pence": nw.Int64,
        "ordinary_elective_trim_point_days": nw.Int64,
        "non_elective_price_pence": nw.Int64,
        "non_elective_trim_point_days": nw.Int64,
        "per_day_long_stay_pence": nw.Int64,
        "is_short_stay_emergency_applicable": nw.Boolean,
        "short_stay_emergency_price_pence": nw.Int64,
    },
    "attendance_prices": {
        "treatment_function_code": nw.String,
        "price_column": nw.String,
        "attendance_price_pence": nw.Int64,
    },
    "unbundled_prices": {"hrg_code": nw.String, "unbundled_price_pence": nw.Int64},
    "best_practice_prices": {
        "hrg_code": nw.String,
        "best_practice_flag": nw.String,
        "best_practice_tariff_name": nw.String,
        "best_practice_combined_price_pence": nw.Int64,
        "best_practice_day_case_price_pence": nw.Int64,
        "best_practice_ordinary_elective_price_pence": nw.Int64,
        "best_practice_non_elective_price_pence": nw.Int64,
    },
    "top_up_rates": {
        "provider_code": nw.String,
        "specialised_service_code": nw.String,
        "top_up_ppm": nw.Int64,
    },
    "market_forces_factors": {"provider_code": nw.String, "mff_ppm": nw.Int64},
    "lva_schedule": {
        "provider_code": nw.String,
        "commissioner_code": nw.String,
        "block_value_pence": nw.Int64,
    },
    "lva_exception_days": {
        "provider_code": nw.String,
        "commissioner_code": nw.String,
        "costing_date": nw.Date,
        "has_patient_choice_exception": nw.Boolean,
        "has_out_of_area_exception": nw.Boolean,
        "has_collaborative_exception": nw.Boolean,
    },
    "contracts": {
        "provider_code": nw.String,
        "commissioner_code": nw.String,
        "covers": nw.String,
        "agreed_mechanism": nw.String,
        "is_same_system": nw.Boolean,
        "expected_annual_value_pence": nw.Int64,
    },
    "agreements": {
        "provider_code": nw.String,
        "commissioner_code": nw.String,
        "agreement_serial_number": nw.String,
        "covers": nw.String,
        "agreed_mechanism": nw.String,
    },
    "local_hrg_price_days": {
        "provider_code": nw.String,
        "commissioner_code": nw.String,
        "hrg_code": nw.String,
        "costing_date": nw.Date,
        "local_price_pence": nw.Int64,
        "is_variation_approved": nw.Boolean,
    },
    "local_attendance_price_days": {
        "provider_code": nw.String,
        "commissioner_code": nw.String,
        "treatment_function_code": nw.String,
        "is_first": nw.Boolean,
        "costing_date": nw.Date,
        "local_price_pence": nw.Int64,
        "is_variation_approved": nw.Boolean,
    },
    "overseas_visitors": {"record_id": nw.String, "charging_status": nw.String},
    "approved_records": {"record_id": nw.String},
    "approved_days": {
        "provider_code": nw.String,
        "commissioner_code": nw.String,
        "ebi_type_letter": nw.String,
        "start_date": nw.Date,
    },
}
"""Columns of each table. Every column but the prices and trim points is never null, and
the leading columns up to the first of another kind are unique together.

`providers` and `commissioners` are laid out for one month: what each code that a record may
carry (a provider's own, a site's, a predecessor's) comes down to in the price year. Both
are unique by their first column, and the others are null where a code is of the lists but
nobody stands for it in the price year. `hrg_prices` are those of `hrg_bridge.with_bridged`,
and `price_hrg_code` is the HRG of the price year whose prices they are.

`contracts` holds what is known of each relationship in the month, `agreements` of single
agreements within one; `covers` and `agreed_mechanism` are null where they say nothing.

`approved_days`, `lva_exception_days` and the local prices hold a row for each day on which
one is in force, since a join between two dates is not portable across engines.
"""


@dataclass(frozen=True, slots=True)
class Reference:
    """Reference tables, all lazy frames of one engine; see `REFERENCE_COLUMNS`."""

    providers: nw.LazyFrame[Any]
    commissioners: nw.LazyFrame[Any]
    hrg_prices: nw.LazyFrame[Any]
    attendance_prices: nw.LazyFrame[Any]
    unbundled_prices: nw.LazyFrame[Any]
    best_practice_prices: nw.LazyFrame[Any]
    top_up_rates: nw.LazyFrame[Any]
    market_forces_factors: nw.LazyFrame[Any]
    lva_schedule: nw.LazyFrame[Any]
    lva_exception_days: nw.LazyFrame[Any]
    contracts: nw.LazyFrame[Any]
    agreements: nw.LazyFrame[Any]
    local_hrg_price_days: nw.LazyFrame[Any]
    local_attendance_price_days: nw.LazyFrame[Any]
    overseas_visitors: nw.LazyFrame[Any]
    approved_records: nw.LazyFrame[Any]
    approved_days: nw.LazyFrame[Any]

    @classmethod
    def from_native(cls, tables: dict[str, Any]) -> Self:
        """Reference tables from an engine's own frames, by name; all must be given."""
        return cls(
            **{field.name: nw.from_native(tables[field.name]).lazy() for field in fields(cls)}
        )
