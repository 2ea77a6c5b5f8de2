"""The SUS+ extracts we read: which delivered column is which of ours, and what it may hold.

Belongs here: one `Column` for every delivered column that validation, pricing or an
output needs, and nothing for the rest, which are left at the door together with every
direct identifier. Does not belong here: rules that weigh one column against another
(`schemas.rules`).

Codes are text. A column states what may be wrong with its own value; the record rules
and the Pandera contract are both made from that one statement.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "code", "codes", "date", "integer", "pence", "timestamp"]

ORGANISATION_CODE = r"^[A-Z0-9]{3,6}$"
"""Only text of this form is ever shown as an organisation: a shifted row may hold a name."""
ADMINISTRATIVE_CATEGORIES = ("01", "02", "03", "04", "98", "99")
SPELL_IN_PBR_CODES = ("0", "1", "2")
LONGEST_STAY_DAYS = 36_525
OLDEST_AGE_YEARS = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of an extract.

    `stem` begins the codes of the rules made from it: `AGE` gives `AGE_MISSING`,
    `AGE_UNPARSEABLE` and `AGE_OUT_OF_RANGE`. One of kind `codes` is made of several delivered
    columns, `header` and `further_headers`: what they hold, in order, a blank between two.
    `called` is what sentences say of any column of a stem that several have.
    """

    name: str
    header: str
    means: str
    kind: Kind = "text"
    stem: str = ""
    missing: str | None = None
    pattern: str | None = None
    known: tuple[str, ...] | None = None
    between: tuple[int, int] | None = None
    pad_to: int | None = None
    strip_zeros: bool = False
    optional: bool = False
    further_headers: tuple[str, ...] = ()
    called: str = ""

    @property
    def headers(self) -> tuple[str, ...]:
        """Every delivered column that it is made of, in order."""
        return (self.header, *self.further_headers)

    @property
    def subject(self) -> str:
        """What a sentence about the column calls it: what it means, without the detail."""
        return self.called or self.means.partition(":")[0].partition(",")[0]

    @property
    def nullable(self) -> bool:
        """Whether a valid record may leave the column blank."""
        return self.missing is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One kind of SUS+ file: how its header is recognised, and its columns."""

    dataset: str
    title: str
    recognised_by: tuple[str, ...]
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """The column called `name`."""
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract(Layout):
    """One kind of SUS+ extract of records that are priced, and which date costs a record."""

    costing_date: str


def _sus_amount(name: str, header: str, means: str) -> Column:
    return Column(
        name=name,
        header=header,
        means=f"{means} that SUS+ gave the record",
        kind="pence",
        stem="SUS_PRICE",
        called="amount that SUS+ gave the record",
    )


def _shared(
    agreement_header: str, administrative_category_header: str, exclusion_reason_header: str
) -> tuple[Column, ...]:
    return (
        Column(
            name="organisation_code_of_provider",
            header="Organisation Code (Code Of Provider)",
            means="organisation code of the provider, as delivered",
            kind="code",
            stem="PROVIDER",
            missing="PROVIDER_MISSING",
        ),
        Column(
            name="provider_site_code",
            header="Provider Site Code",
            means="site code of the provider, as delivered",
            kind="code",
        ),
        Column(
            name="organisation_code_of_commissioner",
            header="Organisation Code (Code Of Commissioner)",
            means="organisation code of the commissioner, as delivered",
            kind="code",
        ),
        Column(
            name="derived_commissioner_code",
            header="Derived Commissioner",
            means="commissioner that SUS+ derived",
            kind="code",
        ),
        Column(
            name="agreement_serial_number",
            header=agreement_header,
            means="commissioner's serial number of the agreement",
        ),
        Column(
            name="administrative_category_code",
            header=administrative_category_header,
            means="administrative category",
            kind="code",
            stem="ADMINISTRATIVE_CATEGORY",
            known=ADMINISTRATIVE_CATEGORIES,
            pad_to=2,
        ),
        Column(
            name="spell_in_pbr_code",
            header="Spell In PbR/Not In PbR",
            means="Spell In PbR code: 0 priced by SUS+, 1 partly, 2 not",
            kind="code",
            stem="SPELL_IN_PBR",
            missing="SPELL_IN_PBR_UNKNOWN",
            known=SPELL_IN_PBR_CODES,
        ),
        Column(
            name="main_specialty_code",
            header="Main Specialty Code",
            means="main specialty",
            kind="code",
        ),
        Column(
            name="treatment_function_code",
            header="Treatment Function Code",
            means="treatment function",
            kind="code",
            stem="TREATMENT_FUNCTION",
            missing="TREATMENT_FUNCTION_MISSING",
            pattern=r"^[0-9]{3}$",
        ),
        Column(
            name="exclusion_reason_code",
            header=exclusion_reason_header,
            means="reason that SUS+ took the record out of national prices, as SUS+ gives it",
        ),
        Column(
            name="unbundled_hrg_codes",
            header="Unbundled HRG 1",
            further_headers=tuple(f"Unbundled HRG {place}" for place in range(2, 13)),
            means="unbundled HRGs, in order",
            kind="codes",
            stem="UNBUNDLED_HRG",
            pattern=r"^[A-Z]{2}[0-9]{2}[A-Z]( [A-Z]{2}[0-9]{2}[A-Z])*$",
        ),
        _sus_amount("sus_initial_pence", "Tariff Initial Amount National", "unit price"),
        _sus_amount(
            "sus_unbundled_pence", "Aggregate UnBundled Adjustment National", "unbundled amount"
        ),
        _sus_amount("sus_pre_mff_pence", "Tariff Pre MFF Adjusted National", "amount before MFF"),
        _sus_amount("sus_mff_pence", "MFF Adjustment", "amount that MFF adds"),
        _sus_amount("sus_price_pence", "PbR Final Tariff", "price"),
        Column(
            name="query_timestamp",
            header="Query Date",
            means="moment the extract was run, CCYYMMDDhhmmss",
            kind="timestamp",
            stem="QUERY_DATE",
            missing="QUERY_DATE_UNPARSEABLE",
        ),
    )


def _record_id(header: str) -> Column:
    return Column(
        name="record_id",
        header=header,
        means="identifier SUS+ gave the record",
        stem="RECORD_ID",
        missing="RECORD_ID_MISSING",
    )


def _hrg(header: str, *, missing: str | None) -> Column:
    return Column(
        name="hrg_code",
        header=header,
        means="core healthcare resource group",
        kind="code",
        stem="HRG",
        missing=missing,
        pattern=r"^[A-Z]{2}[0-9]{2}[A-Z]$",
    )


ADMITTED_PATIENT_CARE = Extract(
    dataset="apc",
    title="admitted patient care spells",
    costing_date="end_date",
    recognised_by=("Spell Core HRG", "Hospital Provider Spell No"),
    columns=(
        _record_id("Spell Identifier"),
        *_shared(
            "Commissioner Serial No (Agreement No)",
            "Administrative Category (On Admission)",
            "Spell Exclusion Reason",
        ),
        _hrg("Spell Core HRG", missing="HRG_MISSING"),
        Column(
            name="patient_classification_code",
            header="Patient Classification",
            means="patient classification: 1 ordinary, 2 day case, 3 regular day, 4 regular night",
            kind="code",
            stem="PATIENT_CLASSIFICATION",
            missing="PATIENT_CLASSIFICATION_MISSING",
            known=("1", "2", "3", "4", "5"),
            strip_zeros=True,
        ),
        Column(
            name="admission_method_code",
            header="Admission Method (Hospital Provider Spell)",
            means="admission method",
            kind="code",
            stem="ADMISSION_METHOD",
            missing="ADMISSION_METHOD_MISSING",
            known=(
                *("11", "12", "13"),
                *("21", "22", "23", "24", "25", "28", "2A", "2B", "2C", "2D"),
                *("31", "32", "81", "82", "83"),
            ),
        ),
        Column(
            name="start_date",
            header="Start Date (Hospital Provider Spell)",
            means="admission date",
            kind="date",
            stem="START_DATE",
            missing="START_DATE_MISSING",
        ),
        Column(
            name="end_date",
            header="End Date (Hospital Provider Spell)",
            means="discharge date, which costs the spell",
            kind="date",
            stem="END_DATE",
            missing="OPEN_SPELL",
        ),
        Column(
            name="length_of_stay_days",
            header="Length Of Stay (Hospital Provider Spell)",
            means="length of stay of the spell, in days",
            kind="integer",
            stem="LENGTH_OF_STAY",
            missing="LENGTH_OF_STAY_MISSING",
            between=(0, LONGEST_STAY_DAYS),
        ),
        Column(
            name="adjusted_length_of_stay_days",
            header="PbR Final Adjusted Length Of Stay",
            means="length of stay for payment as SUS+ adjusted it, in days",
            kind="integer",
            stem="ADJUSTED_LENGTH_OF_STAY",
            between=(0, LONGEST_STAY_DAYS),
        ),
        *(
            Column(
                name=f"{kind}_critical_care_days",
                header=f"Spell {header} Length Of Stay",
                means=f"days of {kind} critical care in the spell",
                kind="integer",
                stem="CRITICAL_CARE_DAYS",
                called="length of stay in critical care",
                between=(0, LONGEST_STAY_DAYS),
            )
            for kind, header in (("adult", "ACC"), ("neonatal", "NCC"), ("paediatric", "PCC"))
        ),
        Column(
            name="best_practice_flags",
            header="BPT Indicator 1",
            further_headers=tuple(f"BPT Indicator {place}" for place in range(2, 6)),
            means="best practice tariff indicators, in order",
            kind="codes",
            stem="BPT_INDICATOR",
            pattern=r"^[A-Z0-9]{1,10}( [A-Z0-9]{1,10})*$",
        ),
        Column(
            name="specialised_service_codes",
            header="Significant Specialised Service Code",
            further_headers=tuple(f"Specialised Service Code {place}" for place in range(1, 6)),
            means="specialised service codes, the significant one first",
            kind="codes",
            stem="SPECIALISED_SERVICE",
            pattern=r"^[A-Z0-9]{1,10}( [A-Z0-9]{1,10})*$",
        ),
        _sus_amount("sus_top_up_pence", "Tariff Service Adjustment National", "top-up"),
        _sus_amount(
            "sus_long_stay_pence", "Tariff Long Stay Payment National", "long stay payment"
        ),
        Column(
            name="age_years",
            header="Age At Start Of Spell",
            means="age on admission, in years",
            kind="integer",
            stem="AGE",
            missing="AGE_MISSING",
            between=(0, OLDEST_AGE_YEARS),
        ),
        Column(
            name="ebi_category_code",
            header="Evidence Based Intervention Category",
            means="evidence-based intervention category",
            kind="code",
            stem="EBI_CATEGORY",
            known=("1", "2"),
            strip_zeros=True,
        ),
        Column(
            name="ebi_type_code",
            header="Evidence Based Intervention Type",
            means="evidence-based intervention type, which SUS+ cuts to 15 characters",
        ),
        Column(
            name="open_spell_indicator",
            header="Open Spell Indicator",
            means="open spell indicator, in the Plus extracts",
            kind="code",
            optional=True,
        ),
    ),
)

OUTPATIENTS = Extract(
    dataset="op",
    title="outpatient attendances",
    costing_date="appointment_date",
    recognised_by=("Attendance Identifier", "Attended Or Did Not Attend"),
    columns=(
        _record_id("Generated Record ID"),
        *_shared(
            "Commissioning Serial No (Agreement No)", "Administrative Category", "Exclusion Reason"
        ),
        _hrg("Core HRG", missing=None),
        Column(
            name="attended_or_did_not_attend_code",
            header="Attended Or Did Not Attend",
            means="attended or did not attend code: 5 and 6 were seen",
            kind="code",
            stem="ATTENDED",
            missing="ATTENDED_MISSING",
            known=("0", "2", "3", "4", "5", "6", "7"),
            strip_zeros=True,
        ),
        Column(
            name="first_attendance_code",
            header="First Attendance",
            means="first attendance code: 1 and 3 first, 2 and 4 follow-up, 5 administrative event",
            kind="code",
            stem="FIRST_ATTENDANCE",
            missing="FIRST_ATTENDANCE_MISSING",
            known=("1", "2", "3", "4", "5"),
            strip_zeros=True,
        ),
        Column(
            name="appointment_date",
            header="Appointment Date",
            means="appointment date, which costs the attendance",
            kind="date",
            stem="APPOINTMENT_DATE",
            missing="APPOINTMENT_DATE_MISSING",
        ),
    ),
)

SUPPLEMENT_COLUMNS = {
    "apc": ("overseas_visitor_code",),
    "op": ("multi_professional_code", "consultation_medium_code", "overseas_visitor_code"),
}
"""What the CDS 6.2 supplementary extracts add to a record, by dataset; null where none came."""

SUPPLEMENT = Layout(
    dataset="supplement",
    title="CDS 6.2 supplementary records",
    recognised_by=("OSV Status Classification At CDS Activity Date", "Consultation Medium Used"),
    columns=(
        Column(
            name="generated_record_id",
            header="Generated Record ID",
            means="identifier SUS+ gave the episode or attendance",
        ),
        Column(
            name="spell_id",
            header="Spell ID",
            means="identifier of the spell that the episode is in",
        ),
        Column(
            name="cds_record_type_code",
            header="CDS Record Type",
            means="CDS type: 020 and 021 are outpatients",
            kind="code",
            pad_to=3,
        ),
        Column(
            name="episode_number",
            header="Episode Number",
            means="place of the episode in its spell",
            kind="integer",
        ),
        Column(
            name="overseas_visitor_code",
            header="OSV Status Classification At CDS Activity Date",
            means="overseas visitor status: 4 to pay all fees",
            kind="code",
            stem="OVERSEAS_VISITOR",
            known=("1", "2", "3", "4", "8", "9"),
        ),
        Column(
            name="multi_professional_code",
            header="Multi-Professional Or Multi-Disciplinary Indication Code",
            means="multi-professional or multidisciplinary indication",
            kind="code",
            stem="MULTI_PROFESSIONAL",
            known=("1", "2"),
            strip_zeros=True,
        ),
        Column(
            name="consultation_medium_code",
            header="Consultation Medium Used",
            means="consultation medium: 01 face to face",
            kind="code",
            stem="CONSULTATION_MEDIUM",
            known=("01", "02", "03", "04", "05", "06", "07", "08", "98"),
            pad_to=2,
        ),
        Column(
            name="query_timestamp",
            header="Query Date",
            means="moment the extract was run, CCYYMMDDhhmmss",
            kind="timestamp",
        ),
    ),
)
"""The CDS 6.2 supplementary extracts: one layout for both datasets, and no costing date."""

EXTRACTS = (ADMITTED_PATIENT_CARE, OUTPATIENTS)
BY_DATASET = {extract.dataset: extract for extract in EXTRACTS}
LAYOUTS = {layout.dataset: layout for layout in (*EXTRACTS, SUPPLEMENT)}
"""Every SUS+ file that we take in, extracts and supplements, by what it holds."""


def supplement_columns(extract: Extract) -> tuple[Column, ...]:
    """The columns that supplementary records add to those of an extract."""
    return tuple(SUPPLEMENT.column(name) for name in SUPPLEMENT_COLUMNS[extract.dataset])


DELIVERY_COLUMNS = ("delivery_id", "row_number")
"""Where a record came from: the delivery it was in, and its row below the header, from 1."""

DIRECT_IDENTIFIERS = (
    "NHS Number",
    "Patient Name",
    "Patient Usual Address",
    "Postcode Of Usual Address",
    "Postcode Sector Of Usual Address",
    "Birth Date",
    "Year Of Birth",
    "Month Of Birth",
    "Local Patient Identifier",
    "RTT Patient Pathway Identifier",
    "Hospital Provider Spell No",
    "Unique Booking Reference Number (Converted)",
)
"""Headers that no column of ours may ever be read from; a test holds us to it."""
