-- title: Failures and latency, by provider and model
-- reason: Shows which models and providers are unreliable, or too slow to work with.
-- draw: table
SELECT
    provider,
    model,
    uniqExact(user) AS users,
    count() AS requests,
    countIf(failed) AS failures,
    round(100 * countIf(failed) / count(), 1) AS failed_percent,
    quantileExact(0.5)(latency) AS latency_p50,
    quantileExact(0.9)(latency) AS latency_p90,
    quantileExact(0.5)(first_token) AS first_token_p50
FROM (
    SELECT DISTINCT
        uuid,
        distinct_id AS user,
        ifNull(nullIf(toString(properties.$ai_provider), ''), 'not given') AS provider,
        ifNull(nullIf(toString(properties.$ai_model), ''), 'not given') AS model,
        ifNull(toString(properties.$ai_is_error), '') = 'true' AS failed,
        toFloat(properties.$ai_latency) AS latency,
        toFloat(properties.$ai_time_to_first_token) AS first_token
    FROM events
    WHERE event IN ('$ai_generation', '$ai_embedding')
        AND properties.$lib = 'dev-analytics'
        AND {filters}
)
GROUP BY provider, model
ORDER BY requests DESC, provider, model
LIMIT 1000
