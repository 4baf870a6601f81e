-- title: Requests to each model, week by week
-- reason: Shows which models become popular, and which are left.
-- draw: line x=week y=requests by=model
SELECT
    week,
    model,
    uniqExact(user) AS users,
    count() AS requests
FROM (
    SELECT DISTINCT
        uuid,
        distinct_id AS user,
        toString(toMonday(timestamp)) AS week,
        ifNull(nullIf(toString(properties.$ai_model), ''), 'not given') AS model
    FROM events
    WHERE event IN ('$ai_generation', '$ai_embedding')
        AND properties.$lib = 'dev-analytics'
        AND {filters}
)
GROUP BY week, model
ORDER BY week, requests DESC, model
LIMIT 10000
