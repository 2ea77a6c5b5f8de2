"""Frames: what pricing joins to, made of the tables of a price book as read.

Belongs here: prices made whole from the tabs that hold them, what makes them contradict each
other, and which table a value was taken from. Does not belong here: reading a table
(`reading`), which book a table is from (`books`) or which price a record takes (`pricing`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl

from pipelines.lists import listed
from pipelines.price_books.annex_a import (
    APC,
    ATTENDANCE_COLUMNS,
    ATTENDANCES,
    BEST_PRACTICE,
    BEST_PRACTICE_KINDS,
    BY_NAME,
    FACTORS,
    LVA,
    OTHER_UNIT_PRICES,
    SHORT_STAY,
    TOP_UP_PROVIDERS,
    TOP_UPS,
    UNBUNDLED,
    plain,
    without_footnotes,
)
from pipelines.price_books.reading import TableRead
from pipelines.workspace import UserError
from pricing.reference import REFERENCE_COLUMNS

HRG_TABLES = (APC, OTHER_UNIT_PRICES, SHORT_STAY)
"""The tables that hold the prices of an HRG between them."""
HRG_PRICE_COLUMNS = (
    "outpatient_procedure_price_pence",
    "combined_price_pence",
    "day_case_price_pence",
    "ordinary_elective_price_pence",
    "ordinary_elective_trim_point_days",
    "non_elective_price_pence",
    "non_elective_trim_point_days",
    "per_day_long_stay_pence",
    "is_short_stay_emergency_applicable",
    "short_stay_emergency_price_pence",
)
ELECTIVE_PRICE_COLUMNS = (
    "combined_price_pence",
    "day_case_price_pence",
    "ordinary_elective_price_pence",
)
_OF_KINDS = [f"best_practice_{kind}_price_pence" for kind in BEST_PRACTICE_KINDS]
_PLACE = ("sheet", "row")
_SERVICE_CODE = "specialised_service_code"
_POLARS: dict[type, Any] = {nw.String: pl.String, nw.Int64: pl.Int64, nw.Boolean: pl.Boolean}
_TABLES_OF = {
    "hrg_prices": HRG_TABLES,
    "attendance_prices": (ATTENDANCES,),
    "market_forces_factors": (FACTORS,),
    "lva_schedule": (LVA,),
    "unbundled_prices": (UNBUNDLED, OTHER_UNIT_PRICES),
    "best_practice_prices": (BEST_PRACTICE,),
    "top_up_rates": (TOP_UPS,),
}
"""The tables that each frame is made of; of those that have a value, the first gives it."""


def put_together(read: Mapping[str, TableRead]) -> tuple[dict[str, pl.DataFrame], list[str]]:
    """The frames of `pricing.reference` that tables of Annex A make, and every fault of them.

    A frame has no rows where its tables are not there. A fault names the cells that cannot both
    be right, or what a row of one table lacks in another.
    """
    parts = {name: read[name] for name in HRG_TABLES if name in read}
    hrg_prices, of_hrgs = merge_hrg_prices(parts) if parts else (_none_of("hrg_prices"), [])
    unbundled, of_unbundled = _unbundled_prices(read, hrg_prices)
    best_practice, of_best_practice = _best_practice_prices(read.get(BEST_PRACTICE))
    top_ups, of_top_ups = _top_up_rates(read.get(TOP_UPS), read.get(TOP_UP_PROVIDERS))
    frames = {
        "hrg_prices": hrg_prices,
        "attendance_prices": _attendance_prices(read.get(ATTENDANCES)),
        "market_forces_factors": _as_published("market_forces_factors", read.get(FACTORS)),
        "lva_schedule": _as_published("lva_schedule", read.get(LVA)),
        "unbundled_prices": unbundled,
        "best_practice_prices": best_practice,
        "top_up_rates": top_ups,
    }
    return frames, [*of_hrgs, *of_unbundled, *of_best_practice, *of_top_ups]


def origin(
    read: Mapping[str, TableRead], frame: str, key: Mapping[str, str], column: str
) -> tuple[str, str]:
    """The table that a value of a frame was taken from, and its cell there.

    A top-up is where its rate is, whichever providers are eligible for it.
    """
    at = dict(key)
    if frame == "attendance_prices":
        column = at.pop("price_column")
    elif frame == "unbundled_prices":
        column = "unit_price_pence"
    elif frame == "top_up_rates":
        del at["provider_code"]
    for name in _TABLES_OF[frame]:
        if name in read and column in read[name].rows.columns:
            rows = read[name].rows.filter(**at).drop_nulls(column)
            if not rows.is_empty():
                return name, read[name].cell(rows.row(0, named=True), column)
    raise AssertionError(f"{frame} has {column} of {at} from no table")


def idle_best_practice(read: TableRead) -> int:
    """How many prices of best practice no record can take: without flag, or of no kind."""
    prices = ["best_practice_price_pence", *_OF_KINDS]
    given = read.rows.filter(pl.any_horizontal(pl.col(prices).is_not_null()))
    return given.height - _with_flag_and_kind(read).height


def _none_of(frame: str) -> pl.DataFrame:
    return pl.DataFrame(
        schema={name: _POLARS[kind] for name, kind in REFERENCE_COLUMNS[frame].items()}
    )


def _as_published(frame: str, read: TableRead | None) -> pl.DataFrame:
    """A frame whose columns a table has by the same names."""
    return read.rows.select(list(REFERENCE_COLUMNS[frame])) if read else _none_of(frame)


def _attendance_prices(read: TableRead | None) -> pl.DataFrame:
    if read is None:
        return _none_of("attendance_prices")
    return read.rows.unpivot(
        list(ATTENDANCE_COLUMNS),
        index="treatment_function_code",
        variable_name="price_column",
        value_name="attendance_price_pence",
    ).drop_nulls("attendance_price_pence")


def _unbundled_prices(
    read: Mapping[str, TableRead], hrg_prices: pl.DataFrame
) -> tuple[pl.DataFrame, list[str]]:
    """The prices of unbundled HRGs, of which tab 4b has some: SABR (2026/27 ¶98).

    What tab 4b calls a unit price is one of those where the HRG has no price of a spell.
    """
    parts = {name: read[name] for name in _TABLES_OF["unbundled_prices"] if name in read}
    if not parts:
        return _none_of("unbundled_prices"), []
    core = hrg_prices["hrg_code"].implode()
    stacked = pl.concat(
        part.rows.drop_nulls("unit_price_pence")
        .filter(pl.lit(name == UNBUNDLED) | ~pl.col("hrg_code").is_in(core))
        .select("hrg_code", "unit_price_pence", *_PLACE, table=pl.lit(name))
        for name, part in parts.items()
    )
    prices = stacked.unique("hrg_code", keep="first", maintain_order=True)
    frame = prices.select("hrg_code", unbundled_price_pence="unit_price_pence")
    return frame, _contradictions(stacked, parts, ["unit_price_pence"])


def _best_practice_prices(read: TableRead | None) -> tuple[pl.DataFrame, list[str]]:
    """The prices of best practice by HRG and flag; a fault for two, and for one without name."""
    if read is None:
        return _none_of("best_practice_prices"), []
    rows = _with_flag_and_kind(read)
    nameless = rows.filter(pl.col("bpt_name").is_null())
    faults = [
        f"{read.place(row, 'best_practice_flag')}: {row['hrg_code']} with the flag "
        f"{row['best_practice_flag']} has no name of its best practice tariff"
        for row in nameless.iter_rows(named=True)
    ]
    faults += _repeated(rows, read, ["hrg_code", "best_practice_flag"])
    names = [name and _in_snake_case(name) for name in rows["bpt_name"]]
    frame = rows.with_columns(best_practice_tariff_name=pl.Series(names, dtype=pl.String))
    return frame.select(list(REFERENCE_COLUMNS["best_practice_prices"])), faults


def _with_flag_and_kind(read: TableRead) -> pl.DataFrame:
    has_kind = pl.any_horizontal(pl.col(_OF_KINDS).is_not_null())
    return read.rows.filter(has_kind & pl.col("best_practice_flag").is_not_null())


def _in_snake_case(name: str) -> str:
    """The name of a best practice tariff as scheme packs spell it.

    >>> _in_snake_case("Primary hip and knee replacement outcomes (2)")
    'primary_hip_and_knee_replacement_outcomes'
    """
    return re.sub(r"[^a-z0-9]+", "_", plain(without_footnotes(name))).strip("_")


def _top_up_rates(
    rates: TableRead | None, eligible: TableRead | None
) -> tuple[pl.DataFrame, list[str]]:
    """The rate of each eligible provider and service.

    A fault for two rows of a service, and for a provider of a service that has none.
    """
    if rates is None:
        return _none_of("top_up_rates"), []
    coded = rates.rows.drop_nulls(_SERVICE_CODE)
    faults = _repeated(coded, rates, [_SERVICE_CODE])
    if eligible is None or coded.is_empty():
        return _none_of("top_up_rates"), faults
    is_known = pl.col(_SERVICE_CODE).is_in(coded[_SERVICE_CODE].implode())
    faults += [
        f"{eligible.place(row, _SERVICE_CODE)}: {row['provider_code']} is eligible for "
        f"{row[_SERVICE_CODE]}, which {BY_NAME[TOP_UPS].title} do not have"
        for row in eligible.rows.filter(~is_known).iter_rows(named=True)
    ]
    joined = eligible.rows.join(coded.drop_nulls("top_up_ppm"), on=_SERVICE_CODE)
    columns = list(REFERENCE_COLUMNS["top_up_rates"])
    return joined.select(columns).sort(columns), faults


def _repeated(rows: pl.DataFrame, read: TableRead, key: Sequence[str]) -> list[str]:
    """A fault with both cells for each row whose key another has already."""
    faults = []
    for same in rows.filter(pl.len().over(key) > 1).partition_by(key, maintain_order=True):
        first, *others = same.iter_rows(named=True)
        says = ", ".join(first[name] for name in key)
        faults += [
            f"{read.place(row, key[-1])}: {says} is already in {read.place(first, key[-1])}"
            for row in others
        ]
    return faults


def merge_hrg_prices(parts: Mapping[str, TableRead]) -> tuple[pl.DataFrame, list[str]]:
    """The prices of each HRG from the tables that hold them, and what is wrong with them.

    `hrg_code` and `HRG_PRICE_COLUMNS`. A fault names both cells of a price that two tables
    give differently, an HRG with a combined price and a split one, and an HRG of tab 1 whose
    only elective price is one of no kind on tab 4b.
    """
    stacked = pl.concat(
        [_hrg_rows(table, read.rows) for table, read in parts.items()], how="diagonal"
    )
    absent = [name for name in HRG_PRICE_COLUMNS if name not in stacked.columns]
    stacked = stacked.with_columns(pl.lit(None, pl.Int64).alias(name) for name in absent)
    merged = stacked.group_by("hrg_code", maintain_order=True).agg(
        pl.col(name).drop_nulls().first() for name in HRG_PRICE_COLUMNS
    )
    flag = pl.col("is_short_stay_emergency_applicable").cast(pl.Boolean).fill_null(value=False)
    faults = [
        *_contradictions(stacked, parts, HRG_PRICE_COLUMNS),
        *_combined_and_split(merged, stacked, parts),
        *_lost_unit_prices(merged, parts),
    ]
    return merged.with_columns(flag), faults


def whole_hrg_prices(read: Mapping[str, TableRead]) -> pl.DataFrame:
    """`merge_hrg_prices` of those tables that hold them; raises `UserError` for its faults."""
    merged, faults = merge_hrg_prices({name: read[name] for name in HRG_TABLES if name in read})
    if faults:
        raise UserError(f"The prices of HRGs cannot be used:\n{listed(faults)}")
    return merged


def _hrg_rows(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """What a table says of HRGs. Tab 1 holds an HRG without a price; others hold more than HRGs."""
    there = [name for name in HRG_PRICE_COLUMNS if name in rows.columns]
    has_price = pl.any_horizontal(pl.col(there).is_not_null())
    kept = rows if table == APC else rows.filter(has_price)
    return kept.select("hrg_code", *_PLACE, *there, table=pl.lit(table))


def _contradictions(
    stacked: pl.DataFrame, parts: Mapping[str, TableRead], columns: Sequence[str]
) -> list[str]:
    """Prices of an HRG that two tables give differently, with both cells."""
    faults = []
    for name in columns:
        given = stacked.filter(pl.col(name).is_not_null())
        for rows in given.filter(pl.col(name).n_unique().over("hrg_code") > 1).partition_by(
            "hrg_code", maintain_order=True
        ):
            cells = [
                f"{parts[one['table']].place(one, name)} ({_shown(one[name], name)})"
                for one in rows.iter_rows(named=True)
            ]
            one = rows.row(0, named=True)
            header = parts[one["table"]].header(one, name)
            faults.append(f"{one['hrg_code']}: '{header}' is not the same in {' and '.join(cells)}")
    return faults


def _combined_and_split(
    merged: pl.DataFrame, stacked: pl.DataFrame, parts: Mapping[str, TableRead]
) -> list[str]:
    split = pl.any_horizontal(
        pl.col("day_case_price_pence", "ordinary_elective_price_pence").is_not_null()
    )
    both = merged.filter(pl.col("combined_price_pence").is_not_null() & split)["hrg_code"]
    faults = []
    for hrg in both:
        row = stacked.filter(hrg_code=hrg).filter(pl.col("combined_price_pence").is_not_null())
        one = row.row(0, named=True)
        at = parts[one["table"]].place(one, "combined_price_pence")
        faults.append(f"{at}: {hrg} has a combined price and a split one")
    return faults


def _lost_unit_prices(merged: pl.DataFrame, parts: Mapping[str, TableRead]) -> list[str]:
    """HRGs of tab 1 whose elective price is only what tab 4b calls a unit price.

    Which of the elective prices it is, nobody but the workbook can say.
    """
    if APC not in parts or OTHER_UNIT_PRICES not in parts:
        return []
    elective = pl.any_horizontal(pl.col(ELECTIVE_PRICE_COLUMNS).is_not_null())
    without = merged.filter(~elective)["hrg_code"].to_list()
    other, tab_1 = parts[OTHER_UNIT_PRICES], parts[APC]
    on_tab_1 = {
        row["hrg_code"]: row
        for row in tab_1.rows.filter(pl.col("hrg_code").is_in(without)).iter_rows(named=True)
    }
    faults = []
    for row in other.rows.filter(pl.col("unit_price_pence").is_not_null()).iter_rows(named=True):
        hrg = row["hrg_code"]
        if hrg in on_tab_1:
            price = _shown(row["unit_price_pence"], "unit_price_pence")
            faults.append(
                f"{other.place(row, 'unit_price_pence')}: {hrg} has the price {price}, of no kind, "
                f"and no elective price in {tab_1.place(on_tab_1[hrg], 'combined_price_pence')}. "
                "If it is the day case or the combined price, import the workbook --without the "
                "tab, and the tab from CSV with the column named 'Day case spell price (£)' or "
                "'Combined day case / ordinary elective spell price (£)'; or mend the pattern in "
                "price_books/annex_a.py"
            )
    return faults


def _shown(value: Any, name: str) -> str:
    if name.endswith("_pence"):
        return f"£{value // 100:,}.{value % 100:02}"
    return str(value)
