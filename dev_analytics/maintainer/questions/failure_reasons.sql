-- title: Why requests to models fail
-- reason: Tells limits, time-outs and faults of providers apart.
-- draw: table
SELECT
    provider,
    reason,
    status,
    uniqExact(user) AS users,
    count() AS failures
FROM (
    SELECT DISTINCT
        uuid,
        distinct_id AS user,
        ifNull(nullIf(toString(properties.$ai_provider), ''), 'not given') AS provider,
        ifNull(nullIf(toString(properties.$ai_error), ''), 'not given') AS reason,
        ifNull(nullIf(toString(properties.$ai_http_status), ''), 'none') AS status
    FROM events
    WHERE event IN ('$ai_generation', '$ai_embedding')
        AND properties.$lib = 'dev-analytics'
        AND ifNull(toString(properties.$ai_is_error), '') = 'true'
        AND {filters}
)
GROUP BY provider, reason, status
ORDER BY failures DESC, provider, reason, status
LIMIT 1000
