-- The contract lines of every month from priced lines, under the rules of 2026/27, in one statement,
-- written by hand. It is what ours are held against: the same columns and rows.
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
)
SELECT
    provider_code,
    commissioner_code,
    activity_month,
    point_of_delivery_code AS contract_line,
    count(*) AS activity,
    sum(value_pence)::BIGINT AS value_pence,
    sum(at_base_pence)::BIGINT AS value_at_base_pence,
    coalesce(sum(value_pence - at_base_pence), 0)::BIGINT AS best_practice_pence,
    count(*) FILTER (is_unapproved) AS unapproved_activity,
    coalesce(sum(at_base_pence) FILTER (is_unapproved), 0)::BIGINT
        AS unapproved_value_at_base_pence,
    coalesce(sum(value_pence - at_base_pence) FILTER (is_unapproved), 0)::BIGINT
        AS unapproved_best_practice_pence,
    count(*) FILTER (
        payment_mechanism = 'api_variable' AND best_practice_tariff_name NOT IN (
            'right_procedure_right_place', 'day_case', 'rtt_10_year_health_plan'
        )
    ) AS annual_best_practice_activity,
    sum(payable_pence)::BIGINT AS payable_pence,
    count(*) FILTER (is_in_activity_target) AS target_activity,
    CASE
        WHEN count(value_pence) > 0
            THEN coalesce(sum(value_pence) FILTER (is_in_activity_target), 0)
    END::BIGINT AS target_value_pence,
    count(*) - count(value_pence) AS lines_for_local_price
FROM valued
GROUP BY ALL
) TO '${made}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000);
