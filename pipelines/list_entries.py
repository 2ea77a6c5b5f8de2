"""The entries of users' lists that a published line rests on, with their file and line.

Belongs here: finding, for one line and the record it was made of, the entries in force for it.
Does not belong here: what an entry does (`pricing`), which lists were asked of a line
(`pricing.explaining`), whether they are still those of the run (`pipelines.explaining`), or
reading them (`pipelines.user_lists`, `pipelines.local_prices`, `pipelines.contracts`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from pipelines.contracts import contracts_in_force
from pipelines.local_prices import FIRST, FOLLOW_UP
from pipelines.pricing_run import Rulebook, month_days
from pipelines.user_lists import UserList
from pricing.contracts import PAIR
from pricing.ebi import TYPE_LETTER_LENGTH
from pricing.point_of_delivery import FIRST_ATTENDANCES
from schemas.extracts import BY_DATASET

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of each list that are a line's, as rows of the list with `file` and `line`.

    `line` has the columns of a priced line. `record` is the valid record that it was made of;
    where it is None, nothing is found that goes by the day or by another value of the record.
    """

    line: Mapping[str, Any]
    record: Mapping[str, Any] | None
    rulebook: Rulebook

    def local_prices(self) -> list[Row]:
        """Those that give the unit price: of the line's HRG, else of its treatment function."""
        line = self.line
        in_force = self._on(self._costing_date, self._of_pair(self.rulebook.local_prices)).filter(
            local_price_pence=line["unit_price_pence"]
        )
        attendance = FIRST if line["point_of_delivery_code"] in FIRST_ATTENDANCES else FOLLOW_UP
        function = line["treatment_function_code"]
        of_hrg = in_force.filter(pl.col("hrg_code").is_in([line["hrg_code"]]))
        return _rows(of_hrg) or _rows(
            in_force.filter(treatment_function_code=function, attendance=attendance)
        )

    def approvals(self) -> list[Row]:
        """Those that name the record, or the pair and type on the day of admission."""
        record = self.record or {}
        every = self.rulebook.entries(self.line["activity_month"], self.rulebook.approvals)
        letter = (record.get("ebi_type_code") or "")[:TYPE_LETTER_LENGTH]
        of_type = self._on(
            record.get("start_date"),
            self._of_pair(self.rulebook.approvals).filter(
                pl.col("record_id").is_null(), pl.col("ebi_type_code").str.starts_with(letter)
            ),
        )
        return _rows(pl.concat([every.filter(record_id=self.line["record_id"]), of_type]))

    def visitors(self) -> list[Row]:
        """What the list says of the record's charges: one entry, or none."""
        named = {name: self.line[name] for name in ("dataset", "record_id")}
        return _rows(self.rulebook.visitors.rows.filter(**named))

    def exceptions(self) -> list[Row]:
        """Those of a pair on the LVA payments schedule, on the day."""
        if self.rulebook.book.lva_schedule.filter(**self._pair).is_empty():
            return []
        return _rows(self._on(self._costing_date, self._of_pair(self.rulebook.exceptions)))

    def contracts(self) -> list[Row]:
        """The pair's contract in the month, then the agreement within it that the record names."""
        first, _ = month_days(self.line["activity_month"])
        in_force = contracts_in_force(self._of_pair(self.rulebook.contracts), first)
        whole = in_force.filter(pl.col("agreement_serial_number").is_null())
        number = (self.record or {}).get("agreement_serial_number")
        return [
            *_rows(whole),
            *(_rows(in_force.filter(agreement_serial_number=number)) if number else []),
        ]

    @property
    def _pair(self) -> dict[str, str]:
        return {name: self.line[name] for name in PAIR}

    @property
    def _costing_date(self) -> date | None:
        name = BY_DATASET[self.line["dataset"]].costing_date
        return self.record[name] if self.record else None

    def _of_pair(self, entries: UserList) -> pl.DataFrame:
        return self.rulebook.entries(self.line["activity_month"], entries).filter(**self._pair)

    def _on(self, day: date | None, entries: pl.DataFrame) -> pl.DataFrame:
        """The entries in force on a day; none on a day that is not known."""
        if day is None:
            return entries.clear()
        return entries.filter(pl.lit(day).is_between("valid_from", "valid_to"))


def place(entries: Sequence[Row]) -> str:
    """The files and lines of entries, as a citation shows them."""
    return " and ".join(f"{row['file']}, line {row['line']}" for row in entries)


def _rows(entries: pl.DataFrame) -> list[Row]:
    return entries.sort("file", "line").to_dicts()
