-- The variable element and the blended payments of every month of 2026/27 by contract and contract
-- line, from priced lines and plans, in one statement, written by hand. It is what the statements of
-- contracts are held against: the same columns and rows, but for the paragraph that each cites.
--
-- It knows what the lines and plans that are timed have: no counts, terms or break-glass bands.
COPY (
WITH valued AS (
    SELECT
        *,
        ebi_outcome = 'zero_price' AS is_unapproved,
        CASE
            WHEN best_practice_pence = 0 THEN value_pence
            ELSE ((pre_mff_pence - best_practice_pence) * mff_ppm + 500000) // 1000000
        END AS at_base_pence
    FROM read_parquet('${lines}')
    WHERE payment_mechanism IN ('api_variable', 'api_blended')
),
of_lines AS (
    SELECT
        provider_code,
        commissioner_code,
        activity_month,
        point_of_delivery_code AS contract_line,
        count(*) AS activity,
        count(*) FILTER (is_unapproved) AS unapproved_activity,
        coalesce(sum(value_pence), 0) AS value_pence,
        coalesce(sum(value_pence) FILTER (is_unapproved), 0) AS unapproved_value_pence,
        coalesce(sum(at_base_pence), 0) AS at_base_pence,
        coalesce(sum(at_base_pence) FILTER (is_unapproved), 0) AS unapproved_at_base_pence,
        count(*) FILTER (
            payment_mechanism = 'api_variable' AND best_practice_tariff_name NOT IN (
                'right_procedure_right_place', 'day_case', 'rtt_10_year_health_plan'
            )
        ) AS annual_best_practice_activity,
        coalesce(sum(payable_pence), 0) AS payable_pence,
        count(*) FILTER (is_in_activity_target) AS target_activity,
        coalesce(sum(value_pence) FILTER (is_in_activity_target), 0) AS target_value_pence,
        count(*) - count(value_pence) AS lines_for_local_price,
        1 AS rows_done,
        CASE WHEN count(payable_pence) > 0 THEN 1 ELSE 0 END AS rows_payable
    FROM valued
    GROUP BY ALL
),
by_month AS (
    SELECT
        provider_code,
        commissioner_code,
        activity_month,
        contract_line,
        contract_line IN ('NEL', 'NELST', 'UNBRTHPY') AS is_blended,
        planned_activity,
        planned_value_pence,
        coalesce(activity, 0) AS activity,
        coalesce(activity - unapproved_activity, 0) AS held_activity,
        coalesce(CASE WHEN is_blended THEN at_base_pence ELSE value_pence END, 0) AS value_pence,
        coalesce(
            CASE
                WHEN is_blended THEN at_base_pence - unapproved_at_base_pence
                ELSE value_pence - unapproved_value_pence
            END,
            0
        ) AS held_value_pence,
        coalesce(value_pence - at_base_pence, 0) AS best_practice_pence,
        coalesce(annual_best_practice_activity, 0) AS annual_best_practice_activity,
        coalesce(payable_pence, 0) AS payable_pence,
        coalesce(target_activity, 0) AS target_activity,
        coalesce(target_value_pence, 0) AS target_value_pence,
        coalesce(lines_for_local_price, 0) AS lines_for_local_price,
        coalesce(rows_done, 0) AS rows_done,
        coalesce(rows_payable, 0) AS rows_payable
    FROM read_parquet('${plans}')
    LEFT JOIN of_lines
        USING (provider_code, commissioner_code, activity_month, contract_line)
),
to_date AS (
    SELECT
        *,
        sum(activity) OVER year_to_date AS activity_to_date,
        sum(held_activity) OVER year_to_date AS held_activity_to_date,
        sum(held_value_pence) OVER year_to_date AS held_value_to_date_pence,
        sum(planned_activity) OVER year_to_date AS planned_activity_to_date,
        sum(planned_value_pence) OVER year_to_date AS planned_value_to_date_pence,
        sum(payable_pence) OVER year_to_date AS payable_to_date_pence,
        sum(target_activity) OVER year_to_date AS target_activity_to_date,
        sum(target_value_pence) OVER year_to_date AS target_value_to_date_pence,
        sum(lines_for_local_price) OVER year_to_date AS lines_for_local_price_to_date,
        sum(rows_done) OVER year_to_date AS rows_done_to_date,
        sum(rows_payable) OVER year_to_date AS rows_payable_to_date
    FROM by_month
    WINDOW year_to_date AS (
        PARTITION BY provider_code, commissioner_code, contract_line ORDER BY activity_month
    )
),
compared AS (
    SELECT
        *,
        CASE contract_line WHEN 'UNBRTHPY' THEN 500000 WHEN 'NEL' THEN 200000
            WHEN 'NELST' THEN 200000 ELSE 1000000 END AS rate_ppm,
        held_value_to_date_pence - planned_value_to_date_pence AS beyond_to_date,
        beyond_to_date - held_value_pence + planned_value_pence AS beyond_before,
        CASE
            WHEN is_blended THEN lines_for_local_price_to_date > 0
            ELSE rows_done > 0 AND rows_payable = 0
        END AS is_price_missing,
        lines_for_local_price = 0 OR lines_for_local_price < activity AS is_priced,
        lines_for_local_price_to_date = 0 OR lines_for_local_price_to_date < activity_to_date
            AS is_priced_to_date
    FROM to_date
),
shared AS (
    SELECT
        *,
        sign(beyond_to_date) * ((abs(beyond_to_date) * rate_ppm + 500000) // 1000000)
            AS share_to_date,
        share_to_date - sign(beyond_before) * ((abs(beyond_before) * rate_ppm + 500000) // 1000000)
            AS share
    FROM compared
),
additions_by_month AS (
    SELECT
        provider_code,
        commissioner_code,
        activity_month,
        sum(value_pence - at_base_pence) AS added_pence,
        sum(unapproved_value_pence - unapproved_at_base_pence) AS unapproved_added_pence
    FROM of_lines
    WHERE contract_line IN ('NEL', 'NELST', 'UNBRTHPY') AND (
        value_pence <> at_base_pence OR unapproved_value_pence <> unapproved_at_base_pence
    )
    GROUP BY ALL
),
contracts AS (
    SELECT DISTINCT provider_code, commissioner_code, activity_month FROM by_month
),
additions AS (
    SELECT
        provider_code,
        commissioner_code,
        c.activity_month,
        coalesce(sum(added_pence) FILTER (a.activity_month = c.activity_month), 0)::BIGINT
            AS added_pence,
        coalesce(sum(unapproved_added_pence) FILTER (a.activity_month = c.activity_month), 0)::BIGINT
            AS unapproved_added_pence,
        sum(added_pence)::BIGINT AS added_to_date_pence,
        sum(added_pence - unapproved_added_pence)::BIGINT AS held_to_date_pence
    FROM contracts AS c
    JOIN additions_by_month AS a USING (provider_code, commissioner_code)
    WHERE a.activity_month <= c.activity_month
    GROUP BY ALL
)
SELECT
    CASE WHEN is_blended THEN 'blended' ELSE 'variable_element' END AS section,
    activity_month,
    '2026-27' AS scheme_year,
    provider_code,
    commissioner_code,
    contract_line,
    activity,
    planned_activity,
    CASE WHEN is_priced THEN value_pence END::BIGINT AS value_pence,
    planned_value_pence,
    activity - held_activity AS unapproved_activity,
    CASE WHEN is_priced THEN value_pence - held_value_pence END::BIGINT AS unapproved_value_pence,
    CASE WHEN NOT is_blended THEN contract_line NOT IN ('UNBCHEMO', 'UNBRAD') END
        AS is_in_activity_target,
    CASE WHEN NOT is_blended THEN target_activity END AS target_activity,
    CASE WHEN NOT is_blended THEN target_value_pence END::BIGINT AS target_value_pence,
    CASE WHEN NOT is_blended THEN target_activity_to_date END::BIGINT AS target_activity_to_date,
    CASE WHEN NOT is_blended THEN target_value_to_date_pence END::BIGINT
        AS target_value_to_date_pence,
    CASE WHEN NOT is_blended THEN best_practice_pence END::BIGINT AS best_practice_pence,
    CASE WHEN NOT is_blended THEN annual_best_practice_activity END
        AS annual_best_practice_activity,
    CASE WHEN NOT is_blended THEN lines_for_local_price END AS lines_for_local_price,
    CASE WHEN is_blended THEN planned_value_pence END AS fixed_pence,
    CASE WHEN is_blended AND NOT is_price_missing THEN share END::BIGINT AS variable_pence,
    CASE
        WHEN is_price_missing THEN NULL
        WHEN is_blended THEN planned_value_pence + share
        ELSE payable_pence
    END::BIGINT AS payable_pence,
    held_activity_to_date::BIGINT AS activity_to_date,
    planned_activity_to_date::BIGINT AS planned_activity_to_date,
    CASE WHEN is_priced_to_date THEN held_value_to_date_pence END::BIGINT AS value_to_date_pence,
    planned_value_to_date_pence::BIGINT AS planned_value_to_date_pence,
    (held_activity_to_date - planned_activity_to_date)::BIGINT AS activity_difference_to_date,
    CASE WHEN lines_for_local_price_to_date = 0 THEN beyond_to_date END::BIGINT
        AS value_difference_to_date_pence,
    CASE
        WHEN is_price_missing THEN NULL
        WHEN is_blended THEN planned_value_to_date_pence + share_to_date
        WHEN rows_payable_to_date = rows_done_to_date THEN payable_to_date_pence
    END::BIGINT AS payable_to_date_pence,
    rate_ppm::BIGINT AS rate_ppm,
    CASE
        WHEN is_price_missing THEN 'PRICE_MISSING'
        WHEN is_blended THEN 'DIFFERENCE_FROM_PLAN'
        ELSE 'EACH_UNIT_PAID'
    END AS reason_code
FROM shared
UNION ALL
SELECT
    'variable_element', activity_month, '2026-27', provider_code, commissioner_code, 'cquin',
    NULL, NULL, NULL, NULL, NULL, NULL, FALSE, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL,
    NULL, 0, 12500, 'NO_ADJUSTMENT'
FROM contracts
UNION ALL
SELECT
    'blended', activity_month, '2026-27', provider_code, commissioner_code, 'uec_best_practice',
    NULL, NULL, added_pence, NULL, NULL, unapproved_added_pence, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, added_pence,
    added_pence, NULL, NULL, held_to_date_pence, NULL, NULL, NULL, added_to_date_pence, 1000000,
    'BEST_PRACTICE_ADDITION'
FROM additions
) TO '${made}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000);
