-- Admitted patient care of 2024-25, as an analyst would write it by hand: one statement.
--
-- ${valid} and ${lines} are the Parquet files of valid spells and of priced lines. The reference
-- tables are tables of the same names and columns that `pricing` joins to. Spells that pricing
-- refuses (provider or commissioner unknown, no MFF, amount too large) are left out.
-- The file that is written is compressed and grouped as ours is.
COPY (
WITH resolved AS (
    SELECT
        s.*,
        coalesce(own.provider_code, trust.provider_code) AS provider_code,
        coalesce(own.provider_kind, trust.provider_kind) AS provider_kind,
        c.commissioner_code,
        c.commissioner_kind,
        coalesce(s.adjusted_length_of_stay_days, s.length_of_stay_days) AS stay_for_payment_days,
        CASE
            WHEN s.admission_method_code IN ('11', '12', '13') THEN 'elective'
            WHEN s.admission_method_code IN (
                '21', '22', '23', '24', '25', '28', '2A', '2B', '2C', '2D'
            ) THEN 'emergency'
            ELSE 'other'
        END AS admission,
        CASE
            WHEN s.spell_in_pbr_code = '2' THEN 'EXCLUDED_FROM_NATIONAL_PRICES'
            WHEN s.agreement_serial_number LIKE '%=' THEN 'PROVIDER_EXCLUDED_AGREEMENT'
            WHEN s.hrg_code = 'UZ01Z' THEN 'UNGROUPABLE'
        END AS exclusion,
        left(s.ebi_type_code, 2) AS ebi_type_letter
    FROM read_parquet('${valid}', hive_partitioning = false) AS s
    JOIN commissioners AS c
        ON c.organisation_code
        = coalesce(s.derived_commissioner_code, s.organisation_code_of_commissioner)
        AND c.commissioner_code IS NOT NULL
    LEFT JOIN providers AS own ON own.delivered_code = s.organisation_code_of_provider
    LEFT JOIN providers AS trust ON trust.delivered_code = left(s.organisation_code_of_provider, 3)
),
sourced AS (
    SELECT
        r.*,
        m.mff_ppm,
        h.* EXCLUDE (hrg_code),
        CASE
            WHEN admission = 'elective' AND patient_classification_code = '3' THEN 'RADAY'
            WHEN admission = 'elective' AND patient_classification_code = '4' THEN 'RANIGHT'
            WHEN admission = 'elective' AND patient_classification_code = '2'
                AND length_of_stay_days = 0 THEN 'DC'
            WHEN admission = 'elective' THEN 'EL'
            WHEN admission = 'emergency' AND stay_for_payment_days <= 1 AND age_years >= 19
                AND is_short_stay_emergency_applicable
                AND short_stay_emergency_price_pence IS NOT NULL THEN 'NELST'
            WHEN admission = 'emergency' THEN 'NEL'
            ELSE 'NELNE'
        END AS point_of_delivery_code,
        CASE
            WHEN exclusion IS NOT NULL THEN 'none'
            WHEN point_of_delivery_code = 'DC' AND day_case_price_pence IS NOT NULL
                THEN 'day_case'
            WHEN point_of_delivery_code = 'EL' AND ordinary_elective_price_pence IS NOT NULL
                THEN 'ordinary_elective'
            WHEN point_of_delivery_code IN ('DC', 'EL') AND combined_price_pence IS NOT NULL
                THEN 'combined'
            WHEN point_of_delivery_code = 'NELST' THEN 'short_stay_emergency'
            WHEN point_of_delivery_code IN ('NEL', 'NELNE') AND non_elective_price_pence IS NOT NULL
                THEN 'non_elective'
            ELSE 'none'
        END AS price_source,
        CASE
            WHEN ebi_category_code <> '1' OR ebi_type_letter NOT IN ('A_', 'B_', 'C_', 'D_')
                OR ebi_category_code IS NULL OR ebi_type_letter IS NULL THEN 'not_applicable'
            WHEN record_id IN (SELECT record_id FROM approved_records) THEN 'approved'
            WHEN (provider_code, commissioner_code, ebi_type_letter, start_date) IN (
                SELECT (provider_code, commissioner_code, ebi_type_letter, start_date)
                FROM approved_days
            ) THEN 'approved'
            ELSE 'zero_price'
        END AS ebi_outcome
    FROM resolved AS r
    JOIN market_forces_factors AS m USING (provider_code)
    LEFT JOIN hrg_prices AS h USING (hrg_code)
),
valued AS (
    SELECT
        *,
        CASE price_source
            WHEN 'combined' THEN combined_price_pence
            WHEN 'day_case' THEN day_case_price_pence
            WHEN 'ordinary_elective' THEN ordinary_elective_price_pence
            WHEN 'non_elective' THEN non_elective_price_pence
            WHEN 'short_stay_emergency' THEN short_stay_emergency_price_pence
        END AS unit_price_pence,
        CASE
            WHEN price_source IN ('combined', 'day_case', 'ordinary_elective')
                THEN ordinary_elective_trim_point_days
            WHEN price_source = 'non_elective' THEN non_elective_trim_point_days
        END AS trim_point_days,
        CASE
            WHEN per_day_long_stay_pence IS NOT NULL AND stay_for_payment_days > trim_point_days
                THEN stay_for_payment_days - trim_point_days
            ELSE 0
        END AS excess_bed_days,
        excess_bed_days * coalesce(per_day_long_stay_pence, 0) AS long_stay_pence,
        unit_price_pence + long_stay_pence AS pre_mff_pence,
        (pre_mff_pence * mff_ppm + 500000) // 1000000 AS value_pence,
        coalesce(treatment_function_code IN (
            '501', '560', '700', '710', '711', '712', '713', '715', '720', '721', '722', '723',
            '724', '725', '726', '727', '199', '499'
        ), false) AS is_excluded_treatment_function,
        coalesce(hrg_code IN (
            'MA50Z', 'MA51Z', 'MA52A', 'MA52B', 'MA53Z', 'MA54Z', 'MA55A', 'MA55B', 'MA56A', 'MA56B'
        ), false) AS is_termination,
        point_of_delivery_code IN ('DC', 'EL') AND coalesce(unit_price_pence > 0, false)
            AND NOT is_termination AND NOT is_excluded_treatment_function AS is_elective_activity
    FROM sourced
    WHERE pre_mff_pence IS NULL OR pre_mff_pence <= 1000000000000
),
paid AS (
    SELECT
        v.*,
        CASE
            WHEN administrative_category_code IN ('02', '03', '04') THEN 'outside_scheme'
            WHEN provider_kind = 'nhs_trust' AND commissioner_kind = 'icb'
                AND l.block_value_pence IS NOT NULL
                AND NOT (coalesce(e.has_patient_choice_exception, false) AND is_elective_activity)
                AND NOT (
                    coalesce(e.has_out_of_area_exception, false) AND admission <> 'emergency'
                    AND treatment_function_code IN (
                        '710', '711', '712', '713', '715', '720', '721', '722', '723', '724',
                        '725', '726', '727'
                    )
                ) THEN 'lva_block'
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
        AND e.costing_date = v.end_date
)
SELECT
    record_id,
    0::BIGINT AS line_number,
    'apc' AS dataset,
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
    excess_bed_days,
    long_stay_pence,
    0::BIGINT AS top_up_pence,
    pre_mff_pence,
    mff_ppm,
    value_pence,
    ebi_outcome,
    payment_mechanism,
    payment_mechanism = 'api_variable' AND ebi_outcome <> 'zero_price' AS is_in_activity_target,
    CASE
        WHEN payment_mechanism IN ('outside_scheme', 'lva_block', 'api_fixed') THEN 0
        WHEN payment_mechanism = 'local_agreement' THEN NULL
        WHEN ebi_outcome = 'zero_price' THEN 0
        ELSE value_pence
    END AS payable_pence,
    CASE
        WHEN payment_mechanism = 'outside_scheme' AND administrative_category_code = '02'
            THEN 'PRIVATE_PATIENT'
        WHEN payment_mechanism = 'outside_scheme' THEN 'NOT_NHS_FUNDED'
        WHEN payment_mechanism = 'lva_block' THEN 'COVERED_BY_LVA_BLOCK'
        WHEN payment_mechanism IN ('api_variable', 'activity_based')
            AND ebi_outcome = 'zero_price' THEN 'UNAPPROVED_EBI'
        WHEN payment_mechanism = 'activity_based' THEN 'ACTIVITY_BASED_UNIT_PRICE'
        WHEN payment_mechanism = 'api_variable' THEN 'ELECTIVE_SPELL'
        WHEN exclusion IS NOT NULL THEN exclusion
        WHEN payment_mechanism = 'local_agreement' THEN 'NO_UNIT_PRICE'
        WHEN point_of_delivery_code IN ('NEL', 'NELST', 'NELNE') THEN 'NON_ELECTIVE'
        WHEN point_of_delivery_code IN ('RADAY', 'RANIGHT') THEN 'REGULAR_ATTENDER'
        WHEN is_termination THEN 'TERMINATION_OF_PREGNANCY'
        WHEN is_excluded_treatment_function THEN 'EXCLUDED_TREATMENT_FUNCTION'
        ELSE 'NO_UNIT_PRICE'
    END AS reason_code
FROM paid
) TO '${lines}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000);
