-- Admitted patient care of 2024-25, as an analyst would write it by hand: one statement.
--
-- ${valid} and ${lines} are the Parquet files of valid spells and of priced lines. The reference
-- tables are tables of the same names and columns that `pricing` joins to. Spells that pricing
-- refuses (provider or commissioner unknown, no MFF, amount too large, adjusted stay missing) are
-- left out. HRGs are of the price year, so nothing is bridged or retired.
-- The file that is written is compressed and grouped as ours is.
COPY (
-- Who provided, who pays and on what terms: once for each pair of codes, not for each spell.
WITH pairs AS (
    SELECT DISTINCT
        organisation_code_of_provider,
        coalesce(derived_commissioner_code, organisation_code_of_commissioner) AS organisation_code
    FROM read_parquet('${valid}', hive_partitioning = false)
),
provided AS (
    SELECT
        pairs.*,
        CASE WHEN own.delivered_code IS NULL THEN trust.provider_code
            ELSE own.provider_code END AS provider_code,
        CASE WHEN own.delivered_code IS NULL THEN trust.provider_kind
            ELSE own.provider_kind END AS provider_kind
    FROM pairs
    LEFT JOIN providers AS own ON own.delivered_code = organisation_code_of_provider
    LEFT JOIN providers AS trust ON trust.delivered_code = left(organisation_code_of_provider, 3)
),
parties AS MATERIALIZED (
    SELECT
        p.*,
        c.commissioner_code,
        c.commissioner_kind,
        m.mff_ppm AS provider_mff_ppm,
        k.covers,
        k.agreed_mechanism,
        provider_kind IN ('nhs_trust', 'ambulance_trust') AS is_nhs_provider,
        provider_kind = 'nhs_trust' AND commissioner_kind = 'icb'
            AND l.block_value_pence IS NOT NULL
            AND NOT coalesce(k.agreed_mechanism = 'api', false) AS is_block_pair
    FROM provided AS p
    JOIN commissioners AS c USING (organisation_code)
    JOIN market_forces_factors AS m USING (provider_code)
    LEFT JOIN lva_schedule AS l USING (provider_code, commissioner_code)
    LEFT JOIN contracts AS k USING (provider_code, commissioner_code)
    WHERE c.commissioner_code IS NOT NULL
),
-- The first flag of a spell that has a price, for each price that the spell may take.
best_practice AS (
    SELECT
        f.record_id,
        t.published_source,
        arg_min(t.best_practice_tariff_name, f.place) AS best_practice_tariff_name,
        arg_min(t.best_practice_price_pence, f.place) AS best_practice_price_pence
    FROM (
        SELECT
            record_id,
            hrg_code,
            unnest(string_split(best_practice_flags, ' ')) AS best_practice_flag,
            generate_subscripts(string_split(best_practice_flags, ' '), 1) AS place
        FROM read_parquet('${valid}', hive_partitioning = false)
        WHERE best_practice_flags IS NOT NULL
    ) AS f
    JOIN (
        UNPIVOT best_practice_prices
        ON best_practice_combined_price_pence AS combined,
            best_practice_day_case_price_pence AS day_case,
            best_practice_ordinary_elective_price_pence AS ordinary_elective,
            best_practice_non_elective_price_pence AS non_elective
        INTO NAME published_source VALUE best_practice_price_pence
    ) AS t USING (hrg_code, best_practice_flag)
    GROUP BY f.record_id, t.published_source
),
-- The highest top-up of the services of a spell, of those that the provider is eligible for.
top_ups AS (
    SELECT s.record_id, max(t.top_up_ppm) AS top_up_ppm
    FROM (
        SELECT
            record_id,
            organisation_code_of_provider,
            coalesce(derived_commissioner_code, organisation_code_of_commissioner)
                AS organisation_code,
            unnest(string_split(specialised_service_codes, ' ')) AS specialised_service_code
        FROM read_parquet('${valid}', hive_partitioning = false)
        WHERE specialised_service_codes IS NOT NULL
    ) AS s
    JOIN parties AS p USING (organisation_code_of_provider, organisation_code)
    JOIN top_up_rates AS t USING (provider_code, specialised_service_code)
    GROUP BY s.record_id
),
found AS (
    SELECT
        s.*,
        p.* EXCLUDE (organisation_code_of_provider, organisation_code),
        h.* EXCLUDE (hrg_code),
        coalesce(a.covers, p.covers) AS what_is_covered,
        coalesce(a.agreed_mechanism, p.agreed_mechanism) AS how_it_is_paid,
        a.agreed_mechanism AS agreed_mechanism_of_agreement,
        coalesce(x.has_patient_choice_exception, false) AS has_patient_choice_exception,
        coalesce(x.has_out_of_area_exception, false) AS has_out_of_area_exception,
        v.charging_status,
        o.local_price_pence,
        o.is_variation_approved,
        t.top_up_ppm,
        coalesce(
            s.adjusted_length_of_stay_days,
            greatest(
                s.length_of_stay_days - coalesce(s.adult_critical_care_days, 0)
                - coalesce(s.neonatal_critical_care_days, 0)
                - coalesce(s.paediatric_critical_care_days, 0),
                0
            )
        ) AS stay_for_payment_days,
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
    JOIN parties AS p
        ON p.organisation_code_of_provider = s.organisation_code_of_provider
        AND p.organisation_code
        = coalesce(s.derived_commissioner_code, s.organisation_code_of_commissioner)
    LEFT JOIN hrg_prices AS h ON h.hrg_code = s.hrg_code
    LEFT JOIN agreements AS a
        ON a.provider_code = p.provider_code
        AND a.commissioner_code = p.commissioner_code
        AND a.agreement_serial_number = s.agreement_serial_number
    LEFT JOIN lva_exception_days AS x
        ON x.provider_code = p.provider_code
        AND x.commissioner_code = p.commissioner_code
        AND x.costing_date = s.end_date
    LEFT JOIN local_hrg_price_days AS o
        ON o.provider_code = p.provider_code
        AND o.commissioner_code = p.commissioner_code
        AND o.hrg_code = s.hrg_code
        AND o.costing_date = s.end_date
        AND s.hrg_code NOT LIKE 'WF%'
        AND s.hrg_code NOT LIKE 'UZ%'
    LEFT JOIN overseas_visitors AS v ON v.record_id = s.record_id
    LEFT JOIN top_ups AS t ON t.record_id = s.record_id
),
delivered AS (
    SELECT
        *,
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
            WHEN ebi_category_code <> '1' OR ebi_type_letter NOT IN ('A_', 'B_', 'C_', 'D_')
                OR ebi_category_code IS NULL OR ebi_type_letter IS NULL THEN 'not_applicable'
            WHEN record_id IN (SELECT record_id FROM approved_records) THEN 'approved'
            WHEN (provider_code, commissioner_code, ebi_type_letter, start_date) IN (
                SELECT (provider_code, commissioner_code, ebi_type_letter, start_date)
                FROM approved_days
            ) THEN 'approved'
            ELSE 'zero_price'
        END AS ebi_outcome,
        CASE
            WHEN charging_status IS NULL THEN coalesce(overseas_visitor_code = '4', false)
            ELSE charging_status IN ('chargeable', 'chargeable_settled_status')
        END AS is_chargeable,
        coalesce(what_is_covered IN ('increasing_capacity_framework', 'subcontracted'), false)
            AS is_outside_api,
        is_block_pair
            AND NOT coalesce(agreed_mechanism_of_agreement = 'api', false)
            AND NOT (
                has_out_of_area_exception AND admission <> 'emergency'
                AND treatment_function_code IN (
                    '710', '711', '712', '713', '715', '720', '721', '722', '723', '724', '725',
                    '726', '727'
                )
            ) AS is_block_spell,
        coalesce(treatment_function_code IN (
            '501', '560', '700', '710', '711', '712', '713', '715', '720', '721', '722', '723',
            '724', '725', '726', '727', '199', '499'
        ), false) AS is_excluded_treatment_function,
        coalesce(hrg_code IN (
            'MA50Z', 'MA51Z', 'MA52A', 'MA52B', 'MA53Z', 'MA54Z', 'MA55A', 'MA55B', 'MA56A', 'MA56B'
        ), false) AS is_termination,
        commissioner_kind = 'nhs_england' AND coalesce(hrg_code IN (
            'LA01A', 'LA01B', 'LA02A', 'LA02B', 'LA03A', 'LA03B', 'SA19A', 'SA19B', 'SA20A',
            'SA20B', 'SA21A', 'SA21B', 'SA22A', 'SA22B', 'SA23A', 'SA23B', 'SA26A', 'SA26B',
            'SA27A', 'SA27B', 'SA38A', 'SA38B', 'SA39A', 'SA39B', 'SA40Z', 'DZ01Z', 'ED01Z',
            'ED04Z', 'ED05Z', 'ED06Z'
        ), false) AS is_locally_agreed_service
    FROM found
),
sourced AS (
    SELECT
        *,
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
        END AS published_source
    FROM delivered
),
published AS (
    SELECT
        s.*,
        b.best_practice_tariff_name AS tariff,
        b.best_practice_price_pence AS tariff_price_pence,
        CASE s.published_source
            WHEN 'combined' THEN combined_price_pence
            WHEN 'day_case' THEN day_case_price_pence
            WHEN 'ordinary_elective' THEN ordinary_elective_price_pence
            WHEN 'non_elective' THEN non_elective_price_pence
            WHEN 'short_stay_emergency' THEN short_stay_emergency_price_pence
        END AS published_price_pence,
        CASE
            WHEN s.published_source IN ('combined', 'day_case', 'ordinary_elective')
                THEN ordinary_elective_trim_point_days
            WHEN s.published_source = 'non_elective' THEN non_elective_trim_point_days
        END AS trim_point_days
    FROM sourced AS s
    LEFT JOIN best_practice AS b
        ON b.record_id = s.record_id AND b.published_source = s.published_source
),
agreed AS (
    SELECT
        *,
        local_price_pence IS NOT NULL AND exclusion IS DISTINCT FROM 'UNGROUPABLE'
            AND (published_price_pence IS NULL OR is_variation_approved) AS is_local
    FROM published
),
parts AS (
    SELECT
        *,
        point_of_delivery_code IN ('DC', 'EL') AND coalesce(published_price_pence > 0, false)
            AND NOT is_termination AND NOT is_excluded_treatment_function AS is_elective_activity,
        CASE WHEN is_local THEN 'local' ELSE published_source END AS price_source,
        CASE WHEN is_local THEN local_price_pence ELSE published_price_pence
            END AS unit_price_pence,
        CASE WHEN NOT is_local THEN tariff END AS best_practice_tariff_name,
        -- Annual tariffs are in the fixed element; without API every tariff is paid.
        CASE
            WHEN tariff IS NULL OR is_local THEN 0
            WHEN NOT is_nhs_provider OR is_outside_api
                OR tariff IN (
                    'endoscopy_procedures', 'pleural_effusion',
                    'primary_hip_and_knee_replacement_outcomes',
                    'rapid_colorectal_diagnostic_pathway'
                )
                OR (
                    tariff = 'spinal_surgery'
                    AND point_of_delivery_code NOT IN ('NEL', 'NELST', 'NELNE')
                ) THEN tariff_price_pence - published_price_pence
            ELSE 0
        END AS best_practice_pence,
        CASE
            WHEN NOT is_local AND per_day_long_stay_pence IS NOT NULL
                AND stay_for_payment_days > trim_point_days
                THEN stay_for_payment_days - trim_point_days
            ELSE 0
        END AS excess_bed_days
    FROM agreed
),
added AS (
    SELECT
        *,
        excess_bed_days * coalesce(per_day_long_stay_pence, 0) AS long_stay_pence,
        CASE
            WHEN top_up_ppm IS NULL OR is_local OR published_price_pence IS NULL THEN 0
            ELSE ((published_price_pence + best_practice_pence) * top_up_ppm + 500000) // 1000000
        END AS top_up_pence
    FROM parts
    -- Days of rehabilitation and palliative care are known to SUS alone.
    WHERE excess_bed_days = 0 OR adjusted_length_of_stay_days IS NOT NULL
        OR NOT coalesce(regexp_matches(unbundled_hrg_codes, '(^| )(VC|SD)'), false)
),
spells AS (
    SELECT
        *,
        unit_price_pence + best_practice_pence + long_stay_pence + top_up_pence AS pre_mff_pence
    FROM added
    WHERE unit_price_pence IS NULL
        OR unit_price_pence + best_practice_pence + long_stay_pence + top_up_pence
        <= 1000000000000
),
-- Few spells have unbundled HRGs, so these are worked out on their own.
unbundled AS (
    SELECT
        s.* EXCLUDE (hrg_code, exclusion, local_price_pence, is_variation_approved),
        u.place AS line_number,
        u.hrg_code,
        -- That the core could not be grouped does not concern the rest.
        nullif(s.exclusion, 'UNGROUPABLE') AS exclusion,
        CASE WHEN nullif(s.exclusion, 'UNGROUPABLE') IS NULL THEN p.unbundled_price_pence
            END AS unbundled_price_pence,
        o.local_price_pence,
        coalesce(o.is_variation_approved, false) AS is_variation_approved,
        left(u.hrg_code, 2) AS subchapter
    FROM (
        SELECT *, string_split(unbundled_hrg_codes, ' ') AS codes
        FROM spells
        WHERE unbundled_hrg_codes IS NOT NULL
    ) AS s
    CROSS JOIN LATERAL (
        SELECT unnest(s.codes) AS hrg_code, generate_subscripts(s.codes, 1) AS place
    ) AS u
    LEFT JOIN unbundled_prices AS p ON p.hrg_code = u.hrg_code
    LEFT JOIN local_hrg_price_days AS o
        ON o.provider_code = s.provider_code
        AND o.commissioner_code = s.commissioner_code
        AND o.hrg_code = u.hrg_code
        AND o.costing_date = s.end_date
),
services AS (
    SELECT
        *,
        subchapter IN ('SB', 'RD', 'RN') AS is_paid_per_unit,
        subchapter = 'XD' AS is_drug,
        CASE
            WHEN subchapter IN ('RD', 'RN') AND exclusion IS NULL THEN 'within_core_price'
            WHEN local_price_pence IS NOT NULL
                AND (unbundled_price_pence IS NULL OR is_variation_approved) THEN 'local'
            WHEN unbundled_price_pence IS NOT NULL THEN 'unbundled'
            ELSE 'none'
        END AS unbundled_source,
        CASE subchapter
            WHEN 'SB' THEN 'UNBCHEMO'
            WHEN 'RD' THEN 'UNBRAD'
            WHEN 'RN' THEN 'UNBRAD'
            WHEN 'SC' THEN 'UNBRTHPY'
            WHEN 'XA' THEN 'UNBNCC'
            WHEN 'XB' THEN 'UNBPCC'
            WHEN 'XC' THEN 'UNBACC'
            WHEN 'VC' THEN 'UNBREHAB'
            WHEN 'SD' THEN 'UNBPALL'
            WHEN 'XD' THEN 'DRUG'
            ELSE 'UNBOTHER'
        END AS unbundled_point_of_delivery_code
    FROM unbundled
),
unbundled_lines AS (
    SELECT
        *,
        CASE unbundled_source
            WHEN 'within_core_price' THEN 0
            WHEN 'local' THEN local_price_pence
            WHEN 'unbundled' THEN unbundled_price_pence
        END AS price_pence
    FROM services
),
lines AS (
    SELECT
        record_id, 0::BIGINT AS line_number, provider_code, commissioner_code,
        treatment_function_code, hrg_code, point_of_delivery_code, price_source,
        published_price_pence IS NOT NULL AS has_unit_price, unit_price_pence,
        best_practice_tariff_name, best_practice_pence, excess_bed_days, long_stay_pence,
        top_up_pence, pre_mff_pence, provider_mff_ppm, ebi_outcome, exclusion,
        administrative_category_code, is_chargeable, is_nhs_provider, what_is_covered,
        how_it_is_paid, is_outside_api, is_locally_agreed_service,
        is_block_spell AND NOT (has_patient_choice_exception AND is_elective_activity)
            AS is_covered_by_block,
        is_elective_activity, is_termination, is_excluded_treatment_function, false AS is_drug
    FROM spells
    UNION ALL
    SELECT
        record_id, line_number, provider_code, commissioner_code,
        treatment_function_code, hrg_code, unbundled_point_of_delivery_code, unbundled_source,
        unbundled_source = 'within_core_price' OR unbundled_price_pence IS NOT NULL, price_pence,
        NULL, 0, 0, 0,
        0, price_pence, provider_mff_ppm, 'not_applicable', exclusion,
        administrative_category_code, is_chargeable, is_nhs_provider, what_is_covered,
        how_it_is_paid, is_outside_api, false,
        is_block_spell AND NOT (has_patient_choice_exception AND is_paid_per_unit),
        is_paid_per_unit, false, false, is_drug
    FROM unbundled_lines
),
ruled AS (
    SELECT
        *,
        CASE
            WHEN administrative_category_code = '02' THEN 'private_patient'
            WHEN administrative_category_code IN ('03', '04') THEN 'not_nhs_funded'
            WHEN is_chargeable THEN 'overseas_visitor'
            WHEN is_covered_by_block THEN 'low_volume_block'
            WHEN is_drug THEN 'excluded_item'
            WHEN how_it_is_paid <> 'api' THEN 'mechanism_agreed'
            WHEN is_outside_api AND has_unit_price THEN what_is_covered
            WHEN is_outside_api AND is_nhs_provider THEN 'outside_api'
            WHEN is_nhs_provider AND price_source = 'within_core_price' THEN 'within_core_price'
            WHEN is_nhs_provider AND line_number > 0 THEN 'unbundled_service'
            WHEN is_nhs_provider AND is_locally_agreed_service THEN 'locally_agreed_service'
            WHEN is_nhs_provider AND what_is_covered = 'advice_and_guidance'
                THEN 'advice_and_guidance'
            WHEN is_nhs_provider AND is_elective_activity THEN 'elective_activity'
            WHEN is_nhs_provider THEN 'fixed_element'
            WHEN has_unit_price THEN 'unit_price'
            ELSE 'no_unit_price'
        END AS mechanism_rule
    FROM lines
),
paid AS (
    SELECT
        *,
        CASE mechanism_rule
            WHEN 'elective_activity' THEN 'api_variable'
            WHEN 'fixed_element' THEN 'api_fixed'
            WHEN 'unit_price' THEN 'activity_based'
            WHEN 'low_volume_block' THEN 'lva_block'
            WHEN 'unbundled_service' THEN CASE
                WHEN exclusion IS NULL AND is_elective_activity THEN 'api_variable'
                ELSE 'api_fixed'
            END
            WHEN 'private_patient' THEN 'outside_scheme'
            WHEN 'not_nhs_funded' THEN 'outside_scheme'
            WHEN 'overseas_visitor' THEN 'charged_to_patient'
            WHEN 'excluded_item' THEN 'excluded_item'
            WHEN 'mechanism_agreed' THEN how_it_is_paid
            WHEN 'increasing_capacity_framework' THEN 'activity_based'
            WHEN 'subcontracted' THEN 'activity_based'
            WHEN 'within_core_price' THEN 'api_fixed'
            WHEN 'advice_and_guidance' THEN 'api_fixed'
            ELSE 'local_agreement'
        END AS payment_mechanism
    FROM ruled
),
factored AS (
    SELECT
        *,
        CASE
            WHEN price_source = 'local' AND payment_mechanism <> 'api_variable' THEN 1000000
            ELSE provider_mff_ppm
        END AS mff_ppm
    FROM paid
),
valued AS (
    SELECT *, (pre_mff_pence * mff_ppm + 500000) // 1000000 AS value_pence
    FROM factored
)
SELECT
    record_id,
    line_number,
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
    best_practice_tariff_name,
    best_practice_pence,
    excess_bed_days,
    long_stay_pence,
    top_up_pence,
    pre_mff_pence,
    mff_ppm,
    value_pence,
    ebi_outcome,
    payment_mechanism,
    mechanism_rule,
    line_number = 0 AND payment_mechanism = 'api_variable' AND ebi_outcome <> 'zero_price'
        AS is_in_activity_target,
    CASE
        WHEN payment_mechanism IN ('outside_scheme', 'lva_block', 'api_fixed', 'charged_to_patient')
            THEN 0
        WHEN price_source = 'within_core_price' THEN 0
        WHEN ebi_outcome = 'zero_price' THEN 0
        WHEN payment_mechanism IN ('api_variable', 'activity_based') THEN value_pence
        WHEN payment_mechanism = 'local_agreement' AND price_source = 'local' THEN value_pence
    END AS payable_pence,
    NULL::BIGINT AS patient_charge_pence,
    CASE
        WHEN mechanism_rule = 'private_patient' THEN 'PRIVATE_PATIENT'
        WHEN mechanism_rule = 'not_nhs_funded' THEN 'NOT_NHS_FUNDED'
        WHEN mechanism_rule = 'overseas_visitor' THEN 'OVERSEAS_VISITOR_CHARGED'
        WHEN mechanism_rule = 'low_volume_block' THEN 'COVERED_BY_LVA_BLOCK'
        WHEN ebi_outcome = 'zero_price'
            AND payment_mechanism IN ('api_variable', 'activity_based', 'local_agreement')
            THEN 'UNAPPROVED_EBI'
        WHEN price_source = 'within_core_price' THEN 'WITHIN_CORE_PRICE'
        WHEN mechanism_rule = 'mechanism_agreed' AND (
            (payment_mechanism = 'activity_based' AND value_pence IS NULL)
            OR (payment_mechanism = 'local_agreement' AND price_source <> 'local')
        )
            THEN CASE WHEN exclusion = 'UNGROUPABLE' THEN 'UNGROUPABLE'
                ELSE 'AGREED_PRICE_MISSING' END
        WHEN mechanism_rule = 'mechanism_agreed' THEN 'MECHANISM_AGREED'
        WHEN mechanism_rule = 'advice_and_guidance' THEN 'ADVICE_AND_GUIDANCE'
        WHEN mechanism_rule = 'locally_agreed_service' AND price_source <> 'local'
            THEN 'LOCALLY_AGREED_SERVICE'
        WHEN mechanism_rule = 'excluded_item' THEN 'EXCLUDED_DRUG'
        WHEN mechanism_rule = 'increasing_capacity_framework' THEN 'INCREASING_CAPACITY_FRAMEWORK'
        WHEN mechanism_rule = 'subcontracted' THEN 'SUBCONTRACTED'
        WHEN price_source = 'local'
            AND payment_mechanism IN ('api_variable', 'activity_based', 'local_agreement')
            THEN 'LOCAL_PRICE'
        WHEN mechanism_rule = 'unbundled_service' AND payment_mechanism = 'api_variable'
            THEN CASE WHEN value_pence IS NULL THEN 'UNBUNDLED_LOCAL_PRICE'
                ELSE 'UNBUNDLED_SERVICE' END
        WHEN mechanism_rule = 'unbundled_service' AND exclusion IS NULL
            THEN CASE WHEN hrg_code LIKE 'SC%' THEN 'RADIOTHERAPY_NOT_TOLD_APART'
                ELSE 'SERVICE_IN_FIXED_ELEMENT' END
        WHEN payment_mechanism = 'activity_based' THEN 'ACTIVITY_BASED_UNIT_PRICE'
        WHEN payment_mechanism = 'api_variable' THEN 'ELECTIVE_SPELL'
        WHEN exclusion IS NOT NULL THEN exclusion
        WHEN payment_mechanism <> 'api_fixed' THEN 'NO_UNIT_PRICE'
        WHEN point_of_delivery_code IN ('NEL', 'NELST', 'NELNE') THEN 'NON_ELECTIVE'
        WHEN point_of_delivery_code IN ('RADAY', 'RANIGHT') THEN 'REGULAR_ATTENDER'
        WHEN is_termination THEN 'TERMINATION_OF_PREGNANCY'
        WHEN is_excluded_treatment_function THEN 'EXCLUDED_TREATMENT_FUNCTION'
        ELSE 'NO_UNIT_PRICE'
    END AS reason_code
FROM valued
) TO '${lines}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000);
