-- title: Edit formats and how often they fail, by model
-- reason: Shows which edit formats work with which models.
-- draw: table
SELECT
    edit_format,
    model,
    uniqExact(user) AS users,
    count() AS requests,
    countIf(failed) AS failures,
    round(100 * countIf(failed) / count(), 1) AS failed_percent
FROM (
    SELECT DISTINCT
        uuid,
        distinct_id AS user,
        ifNull(nullIf(toString(properties.edit_format), ''), 'not given') AS edit_format,
        ifNull(nullIf(toString(properties.$ai_model), ''), 'not given') AS model,
        ifNull(toString(properties.$ai_is_error), '') = 'true' AS failed
    FROM events
    WHERE event IN ('$ai_generation', '$ai_embedding')
        AND properties.$lib = 'dev-analytics'
        AND {filters}
)
GROUP BY edit_format, model
ORDER BY requests DESC, edit_format, model
LIMIT 1000
