-- Outpatients of 2024-25, as an analyst would write it by hand: one statement.
--
-- ${valid} and ${lines} are the Parquet files of valid attendances and of priced lines. The
-- reference tables are tables of the same names and columns that `pricing` joins to. Attendances
-- that pricing refuses (provider or commissioner unknown, no MFF, amount too large) are left out.
-- HRGs are of the price year, so nothing is bridged or retired.
-- The file that is written is compressed and grouped as ours is.
COPY (
-- Who provided, who pays and on what terms: once for each pair of codes, not for each appointment.
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
attended AS (
    SELECT
        *,
        coalesce(derived_commissioner_code, organisation_code_of_commissioner)
            AS organisation_code,
        attended_or_did_not_attend_code IN ('5', '6') AS is_attended,
        first_attendance_code = '5' AS is_administrative_event,
        CASE
            WHEN spell_in_pbr_code = '2' THEN 'EXCLUDED_FROM_NATIONAL_PRICES'
            WHEN agreement_serial_number LIKE '%=' THEN 'PROVIDER_EXCLUDED_AGREEMENT'
            WHEN hrg_code = 'UZ01Z' THEN 'UNGROUPABLE'
        END AS exclusion,
        CASE
            WHEN consultation_medium_code IN ('02', '03', '04')
                THEN CASE first_attendance_code
                    WHEN '1' THEN '3' WHEN '2' THEN '4' ELSE first_attendance_code END
            ELSE first_attendance_code
        END AS first_attendance,
        coalesce(multi_professional_code IN ('1', '2'), false) AS is_multi_professional
    FROM read_parquet('${valid}', hive_partitioning = false)
),
classed AS (
    SELECT
        *,
        CASE first_attendance
            WHEN '1' THEN CASE WHEN is_multi_professional THEN 'WF02B' ELSE 'WF01B' END
            WHEN '2' THEN CASE WHEN is_multi_professional THEN 'WF02A' ELSE 'WF01A' END
            WHEN '3' THEN CASE WHEN is_multi_professional THEN 'WF02D' ELSE 'WF01D' END
            WHEN '4' THEN CASE WHEN is_multi_professional THEN 'WF02C' ELSE 'WF01C' END
        END AS hrg_by_first_attendance
    FROM attended
),
grouped AS (
    SELECT
        *,
        CASE
            WHEN hrg_code IN (
                'WF01A', 'WF01B', 'WF01C', 'WF01D', 'WF02A', 'WF02B', 'WF02C', 'WF02D'
            ) THEN hrg_code
            WHEN hrg_code LIKE 'WF%' OR hrg_code LIKE 'UZ%' THEN NULL
            ELSE hrg_by_first_attendance
        END AS attendance_hrg_code
    FROM classed
),
counted AS (
    SELECT
        *,
        attendance_hrg_code IN ('WF01B', 'WF01D', 'WF02B', 'WF02D') AS is_first,
        CASE attendance_hrg_code
            WHEN 'WF01C' THEN 'WF01A'
            WHEN 'WF01D' THEN 'WF01B'
            WHEN 'WF02C' THEN 'WF02A'
            WHEN 'WF02D' THEN 'WF02B'
            ELSE attendance_hrg_code
        END AS price_column,
        coalesce(attendance_hrg_code, hrg_by_first_attendance) AS kind
    FROM grouped
),
found AS (
    SELECT
        s.*,
        p.* EXCLUDE (organisation_code_of_provider, organisation_code),
        h.outpatient_procedure_price_pence,
        t.attendance_price_pence,
        coalesce(a.covers, p.covers) AS what_is_covered,
        coalesce(a.agreed_mechanism, p.agreed_mechanism) AS how_it_is_paid,
        p.is_block_pair AND NOT coalesce(a.agreed_mechanism = 'api', false) AS is_block_attendance,
        coalesce(x.has_patient_choice_exception, false) AS has_patient_choice_exception,
        v.charging_status,
        o.local_price_pence AS procedure_local_price_pence,
        o.is_variation_approved AS is_procedure_variation_approved,
        f.local_price_pence AS attendance_local_price_pence,
        f.is_variation_approved AS is_attendance_variation_approved,
        is_attended AND NOT is_administrative_event
            AND h.outpatient_procedure_price_pence IS NOT NULL
            AND s.hrg_code NOT IN (
                'WF01A', 'WF01B', 'WF01C', 'WF01D', 'WF02A', 'WF02B', 'WF02C', 'WF02D'
            ) AS is_procedure
    FROM counted AS s
    JOIN parties AS p USING (organisation_code_of_provider, organisation_code)
    LEFT JOIN hrg_prices AS h ON h.hrg_code = s.hrg_code
    LEFT JOIN attendance_prices AS t
        ON t.treatment_function_code = s.treatment_function_code
        AND t.price_column = s.price_column
    LEFT JOIN agreements AS a
        ON a.provider_code = p.provider_code
        AND a.commissioner_code = p.commissioner_code
        AND a.agreement_serial_number = s.agreement_serial_number
    LEFT JOIN lva_exception_days AS x
        ON x.provider_code = p.provider_code
        AND x.commissioner_code = p.commissioner_code
        AND x.costing_date = s.appointment_date
    LEFT JOIN local_hrg_price_days AS o
        ON o.provider_code = p.provider_code
        AND o.commissioner_code = p.commissioner_code
        AND o.hrg_code = s.hrg_code
        AND o.costing_date = s.appointment_date
        AND s.hrg_code NOT LIKE 'WF%'
        AND s.hrg_code NOT LIKE 'UZ%'
    LEFT JOIN local_attendance_price_days AS f
        ON f.provider_code = p.provider_code
        AND f.commissioner_code = p.commissioner_code
        AND f.treatment_function_code = s.treatment_function_code
        AND f.is_first = s.is_first
        AND f.costing_date = s.appointment_date
    LEFT JOIN overseas_visitors_op AS v ON v.record_id = s.record_id
),
sourced AS (
    SELECT
        *,
        CASE
            WHEN NOT is_attended THEN 'not_attended'
            WHEN is_administrative_event THEN 'administrative_event'
            WHEN exclusion IS NOT NULL THEN 'none'
            WHEN is_procedure THEN 'outpatient_procedure'
            WHEN attendance_price_pence IS NOT NULL THEN 'outpatient_attendance'
            ELSE 'none'
        END AS published_source,
        CASE
            WHEN NOT is_attended OR is_administrative_event THEN 0
            WHEN exclusion IS NOT NULL THEN NULL
            WHEN is_procedure THEN outpatient_procedure_price_pence
            ELSE attendance_price_pence
        END AS published_price_pence,
        CASE WHEN main_specialty_code IN ('560', '900', '901', '902', '903', '904', '950', '960')
            THEN 'NCL' ELSE 'CL' END AS led,
        CASE WHEN kind LIKE 'WF02_' THEN 'MP' ELSE 'SP' END AS professionals,
        -- A treatment function's price is none of a procedure that has one of its own.
        CASE
            WHEN NOT is_attended OR is_administrative_event OR exclusion = 'UNGROUPABLE' THEN NULL
            WHEN procedure_local_price_pence IS NOT NULL THEN procedure_local_price_pence
            WHEN NOT is_procedure THEN attendance_local_price_pence
        END AS local_price_pence,
        CASE WHEN procedure_local_price_pence IS NOT NULL THEN is_procedure_variation_approved
            ELSE is_attendance_variation_approved END AS is_variation_approved,
        CASE
            WHEN charging_status IS NULL THEN coalesce(overseas_visitor_code = '4', false)
            ELSE charging_status IN ('chargeable', 'chargeable_settled_status')
        END AS is_chargeable,
        coalesce(what_is_covered IN ('increasing_capacity_framework', 'subcontracted'), false)
            AS is_outside_api,
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
agreed AS (
    SELECT
        *,
        local_price_pence IS NOT NULL
            AND (published_price_pence IS NULL OR is_variation_approved) AS is_local,
        CASE
            WHEN is_procedure THEN 'OPPROC'
            WHEN published_source = 'administrative_event' THEN 'OPFUPSP' || led
            WHEN kind LIKE '____D' THEN 'NF2FFA'
            WHEN kind LIKE '____C' THEN 'NF2FFUP'
            WHEN kind LIKE '____B' THEN 'OPFA' || professionals || led
            ELSE 'OPFUP' || professionals || led
        END AS point_of_delivery_code,
        NOT is_excluded_treatment_function AND (
            (
                published_source = 'outpatient_procedure' AND published_price_pence > 0
                AND NOT is_termination
            )
            OR (
                published_source IN ('outpatient_attendance', 'none') AND exclusion IS NULL
                AND coalesce(is_first, false)
            )
        ) AS is_elective_activity
    FROM sourced
),
attendances AS (
    SELECT
        *,
        CASE WHEN is_local THEN 'local' ELSE published_source END AS price_source,
        CASE WHEN is_local THEN local_price_pence ELSE published_price_pence
            END AS unit_price_pence
    FROM agreed
    WHERE CASE WHEN is_local THEN local_price_pence ELSE published_price_pence END IS NULL
        OR CASE WHEN is_local THEN local_price_pence ELSE published_price_pence END
        <= 1000000000000
),
-- Few appointments have unbundled HRGs, so these are worked out on their own.
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
        FROM attendances
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
        AND o.costing_date = s.appointment_date
),
services AS (
    SELECT
        *,
        subchapter IN ('SB', 'RD', 'RN') AS is_paid_per_unit,
        subchapter = 'XD' AS is_drug,
        CASE
            WHEN published_source IN ('not_attended', 'administrative_event')
                THEN published_source
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
            WHEN 'not_attended' THEN 0
            WHEN 'administrative_event' THEN 0
            WHEN 'local' THEN local_price_pence
            WHEN 'unbundled' THEN unbundled_price_pence
        END AS price_pence
    FROM services
),
lines AS (
    SELECT
        record_id, 0::BIGINT AS line_number, provider_code, commissioner_code,
        treatment_function_code, hrg_code, point_of_delivery_code, published_source, price_source,
        published_price_pence IS NOT NULL AS has_unit_price, unit_price_pence, provider_mff_ppm,
        exclusion, administrative_category_code, is_chargeable, is_nhs_provider, what_is_covered,
        how_it_is_paid, is_outside_api, is_locally_agreed_service,
        is_block_attendance AND NOT (has_patient_choice_exception AND is_elective_activity)
            AS is_covered_by_block,
        is_elective_activity, is_termination, is_excluded_treatment_function, is_first,
        attendance_hrg_code, false AS is_drug
    FROM attendances
    UNION ALL
    SELECT
        record_id, line_number, provider_code, commissioner_code,
        treatment_function_code, hrg_code, unbundled_point_of_delivery_code, unbundled_source,
        unbundled_source,
        unbundled_price_pence IS NOT NULL
            OR unbundled_source IN ('not_attended', 'administrative_event'),
        price_pence, provider_mff_ppm,
        exclusion, administrative_category_code, is_chargeable, is_nhs_provider, what_is_covered,
        how_it_is_paid, is_outside_api, false,
        is_block_attendance AND NOT (has_patient_choice_exception AND is_paid_per_unit),
        is_paid_per_unit, false, false, NULL,
        NULL, is_drug
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
    SELECT *, (unit_price_pence * mff_ppm + 500000) // 1000000 AS value_pence
    FROM factored
)
SELECT
    record_id,
    line_number,
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
    NULL::VARCHAR AS best_practice_tariff_name,
    0::BIGINT AS best_practice_pence,
    0::BIGINT AS excess_bed_days,
    0::BIGINT AS long_stay_pence,
    0::BIGINT AS top_up_pence,
    unit_price_pence AS pre_mff_pence,
    mff_ppm,
    value_pence,
    'not_applicable' AS ebi_outcome,
    payment_mechanism,
    mechanism_rule,
    line_number = 0 AND payment_mechanism = 'api_variable' AS is_in_activity_target,
    CASE
        WHEN payment_mechanism IN ('outside_scheme', 'lva_block', 'api_fixed', 'charged_to_patient')
            THEN 0
        WHEN price_source IN ('not_attended', 'administrative_event') THEN 0
        WHEN payment_mechanism IN ('api_variable', 'activity_based') THEN value_pence
        WHEN payment_mechanism = 'local_agreement' AND price_source = 'local' THEN value_pence
    END AS payable_pence,
    NULL::BIGINT AS patient_charge_pence,
    CASE
        WHEN mechanism_rule = 'private_patient' THEN 'PRIVATE_PATIENT'
        WHEN mechanism_rule = 'not_nhs_funded' THEN 'NOT_NHS_FUNDED'
        WHEN mechanism_rule = 'overseas_visitor' THEN 'OVERSEAS_VISITOR_CHARGED'
        WHEN mechanism_rule = 'low_volume_block' THEN 'COVERED_BY_LVA_BLOCK'
        WHEN price_source = 'not_attended' THEN 'NOT_ATTENDED'
        WHEN price_source = 'administrative_event' THEN 'ADMINISTRATIVE_EVENT'
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
        WHEN payment_mechanism = 'api_variable' AND unit_price_pence IS NULL
            THEN 'FIRST_ATTENDANCE_LOCAL_PRICE'
        WHEN payment_mechanism = 'api_variable' AND price_source = 'outpatient_attendance'
            THEN 'FIRST_ATTENDANCE'
        WHEN payment_mechanism = 'api_variable' THEN 'OUTPATIENT_PROCEDURE'
        WHEN exclusion IS NOT NULL THEN exclusion
        WHEN payment_mechanism <> 'api_fixed' THEN 'NO_UNIT_PRICE'
        WHEN published_source <> 'outpatient_procedure' AND NOT is_first THEN 'FOLLOW_UP'
        WHEN is_termination
            AND (attendance_hrg_code IS NULL OR published_source = 'outpatient_procedure')
            THEN 'TERMINATION_OF_PREGNANCY'
        WHEN is_excluded_treatment_function THEN 'EXCLUDED_TREATMENT_FUNCTION'
        ELSE 'NO_UNIT_PRICE'
    END AS reason_code
FROM valued
) TO '${lines}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000);
