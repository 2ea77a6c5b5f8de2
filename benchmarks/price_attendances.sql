-- Outpatients of 2024-25, as an analyst would write it by hand: one statement.
--
-- ${valid} and ${lines} are the Parquet files of valid attendances and of priced lines. The
-- reference tables are tables of the same names and columns that `pricing` joins to. Attendances
-- that pricing refuses (provider or commissioner unknown, no MFF, amount too large) are left out.
-- The file that is written is compressed and grouped as ours is.
COPY (
WITH resolved AS (
    SELECT
        a.*,
        coalesce(own.provider_code, trust.provider_code) AS provider_code,
        coalesce(own.provider_kind, trust.provider_kind) AS provider_kind,
        c.commissioner_code,
        c.commissioner_kind,
        h.outpatient_procedure_price_pence,
        a.attended_or_did_not_attend_code IN ('5', '6') AS is_attended,
        a.first_attendance_code = '5' AS is_administrative_event,
        CASE a.first_attendance_code
            WHEN '1' THEN 'WF01B'
            WHEN '2' THEN 'WF01A'
            WHEN '3' THEN 'WF01D'
            WHEN '4' THEN 'WF01C'
        END AS hrg_by_first_attendance,
        CASE
            WHEN a.hrg_code IN (
                'WF01A', 'WF01B', 'WF01C', 'WF01D', 'WF02A', 'WF02B', 'WF02C', 'WF02D'
            ) THEN a.hrg_code
            WHEN a.hrg_code LIKE 'WF%' OR a.hrg_code LIKE 'UZ%' THEN NULL
            ELSE hrg_by_first_attendance
        END AS attendance_hrg_code,
        CASE attendance_hrg_code
            WHEN 'WF01C' THEN 'WF01A'
            WHEN 'WF01D' THEN 'WF01B'
            WHEN 'WF02C' THEN 'WF02A'
            WHEN 'WF02D' THEN 'WF02B'
            ELSE attendance_hrg_code
        END AS price_column,
        CASE
            WHEN a.spell_in_pbr_code = '2' THEN 'EXCLUDED_FROM_NATIONAL_PRICES'
            WHEN a.agreement_serial_number LIKE '%=' THEN 'PROVIDER_EXCLUDED_AGREEMENT'
            WHEN a.hrg_code = 'UZ01Z' THEN 'UNGROUPABLE'
        END AS exclusion
    FROM read_parquet('${valid}', hive_partitioning = false) AS a
    JOIN commissioners AS c
        ON c.organisation_code
        = coalesce(a.derived_commissioner_code, a.organisation_code_of_commissioner)
        AND c.commissioner_code IS NOT NULL
    LEFT JOIN providers AS own ON own.delivered_code = a.organisation_code_of_provider
    LEFT JOIN providers AS trust ON trust.delivered_code = left(a.organisation_code_of_provider, 3)
    LEFT JOIN hrg_prices AS h ON h.hrg_code = a.hrg_code
),
sourced AS (
    SELECT
        r.*,
        m.mff_ppm,
        p.attendance_price_pence,
        is_attended AND NOT is_administrative_event
            AND outpatient_procedure_price_pence IS NOT NULL
            AND hrg_code NOT IN (
                'WF01A', 'WF01B', 'WF01C', 'WF01D', 'WF02A', 'WF02B', 'WF02C', 'WF02D'
            ) AS is_procedure,
        CASE
            WHEN NOT is_attended THEN 'not_attended'
            WHEN is_administrative_event THEN 'administrative_event'
            WHEN exclusion IS NOT NULL THEN 'none'
            WHEN is_procedure THEN 'outpatient_procedure'
            WHEN attendance_price_pence IS NOT NULL THEN 'outpatient_attendance'
            ELSE 'none'
        END AS price_source,
        coalesce(attendance_hrg_code, hrg_by_first_attendance) AS kind,
        CASE WHEN main_specialty_code IN ('560', '900', '901', '902', '903', '904', '950', '960')
            THEN 'NCL' ELSE 'CL' END AS led,
        CASE WHEN kind LIKE 'WF02_' THEN 'MP' ELSE 'SP' END AS professionals,
        CASE
            WHEN is_procedure THEN 'OPPROC'
            WHEN price_source = 'administrative_event' THEN 'OPFUPSP' || led
            WHEN kind LIKE '____D' THEN 'NF2FFA'
            WHEN kind LIKE '____C' THEN 'NF2FFUP'
            WHEN kind LIKE '____B' THEN 'OPFA' || professionals || led
            ELSE 'OPFUP' || professionals || led
        END AS point_of_delivery_code
    FROM resolved AS r
    JOIN market_forces_factors AS m USING (provider_code)
    LEFT JOIN attendance_prices AS p USING (treatment_function_code, price_column)
),
valued AS (
    SELECT
        *,
        CASE price_source
            WHEN 'not_attended' THEN 0
            WHEN 'administrative_event' THEN 0
            WHEN 'outpatient_procedure' THEN outpatient_procedure_price_pence
            WHEN 'outpatient_attendance' THEN attendance_price_pence
        END AS unit_price_pence,
        (unit_price_pence * mff_ppm + 500000) // 1000000 AS value_pence,
        coalesce(treatment_function_code IN (
            '501', '560', '700', '710', '711', '712', '713', '715', '720', '721', '722', '723',
            '724', '725', '726', '727', '199', '499'
        ), false) AS is_excluded_treatment_function,
        coalesce(hrg_code IN (
            'MA50Z', 'MA51Z', 'MA52A', 'MA52B', 'MA53Z', 'MA54Z', 'MA55A', 'MA55B', 'MA56A', 'MA56B'
        ), false) AS is_termination,
        NOT is_excluded_treatment_function AND (
            (price_source = 'outpatient_procedure' AND unit_price_pence > 0 AND NOT is_termination)
            OR (
                price_source IN ('outpatient_attendance', 'none') AND exclusion IS NULL
                AND coalesce(attendance_hrg_code IN ('WF01B', 'WF01D', 'WF02B', 'WF02D'), false)
            )
        ) AS is_elective_activity
    FROM sourced
    WHERE unit_price_pence IS NULL OR unit_price_pence <= 1000000000000
),
paid AS (
    SELECT
        v.*,
        CASE
            WHEN administrative_category_code IN ('02', '03', '04') THEN 'outside_scheme'
            WHEN provider_kind = 'nhs_trust' AND commissioner_kind = 'icb'
                AND l.block_value_pence IS NOT NULL
                AND NOT (coalesce(e.has_patient_choice_exception, false) AND is_elective_activity)
                THEN 'lva_block'
            WHEN provider_kind <> 'independent' AND is_elective_activity THEN 'api_variable'
            WHEN provider_kind <> 'independent' THEN 'api_fixed'
            WHEN unit_price_pence IS NOT NULL THEN 'activity_based'
            ELSE 'local_agreement'
        END AS payment_mechanism
    FROM valued AS v
    LEFT JOIN lva_schedule AS l USING (provider_code, commissioner_code)
    LEFT JOIN lva_exception_days AS e
        ON e.provider_code = v.provider_code
        AND e.commissioner_code = v.commissioner_code
        AND e.costing_date = v.appointment_date
)
SELECT
    record_id,
    0::BIGINT AS line_number,
    'op' AS dataset,
    '${month}' AS activity_month,
    '${cut}' AS cut,
    '2024-25' AS scheme_year,
    provider_code,
    commissioner_code,
    treatment_function_code,
    hrg_code,
    point_of_delivery_code,
    price_source,
    unit_price_pence,
    0::BIGINT AS excess_bed_days,
    0::BIGINT AS long_stay_pence,
    0::BIGINT AS top_up_pence,
    unit_price_pence AS pre_mff_pence,
    mff_ppm,
    value_pence,
    'not_applicable' AS ebi_outcome,
    payment_mechanism,
    payment_mechanism = 'api_variable' AS is_in_activity_target,
    CASE
        WHEN payment_mechanism IN ('outside_scheme', 'lva_block', 'api_fixed') THEN 0
        WHEN payment_mechanism = 'local_agreement' THEN NULL
        ELSE value_pence
    END AS payable_pence,
    CASE
        WHEN payment_mechanism = 'outside_scheme' AND administrative_category_code = '02'
            THEN 'PRIVATE_PATIENT'
        WHEN payment_mechanism = 'outside_scheme' THEN 'NOT_NHS_FUNDED'
        WHEN payment_mechanism = 'lva_block' THEN 'COVERED_BY_LVA_BLOCK'
        WHEN price_source = 'not_attended' THEN 'NOT_ATTENDED'
        WHEN price_source = 'administrative_event' THEN 'ADMINISTRATIVE_EVENT'
        WHEN payment_mechanism = 'activity_based' THEN 'ACTIVITY_BASED_UNIT_PRICE'
        WHEN payment_mechanism = 'api_variable' AND unit_price_pence IS NULL
            THEN 'FIRST_ATTENDANCE_LOCAL_PRICE'
        WHEN payment_mechanism = 'api_variable' AND price_source = 'outpatient_attendance'
            THEN 'FIRST_ATTENDANCE'
        WHEN payment_mechanism = 'api_variable' THEN 'OUTPATIENT_PROCEDURE'
        WHEN exclusion IS NOT NULL THEN exclusion
        WHEN payment_mechanism = 'local_agreement' THEN 'NO_UNIT_PRICE'
        WHEN price_source <> 'outpatient_procedure'
            AND attendance_hrg_code IN ('WF01A', 'WF01C', 'WF02A', 'WF02C') THEN 'FOLLOW_UP'
        WHEN is_termination
            AND (attendance_hrg_code IS NULL OR price_source = 'outpatient_procedure')
            THEN 'TERMINATION_OF_PREGNANCY'
        WHEN is_excluded_treatment_function THEN 'EXCLUDED_TREATMENT_FUNCTION'
        ELSE 'NO_UNIT_PRICE'
    END AS reason_code
FROM paid
) TO '${lines}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000);
