-- title: Models by users, requests and tokens
-- reason: Decides which models are supported and tested.
-- draw: bar x=model y=requests
SELECT
    model,
    uniqExact(user) AS users,
    count() AS requests,
    countIf(failed) AS failures,
    sum(input) AS input_tokens,
    sum(output) AS output_tokens
FROM (
    SELECT DISTINCT
        uuid,
        distinct_id AS user,
        ifNull(nullIf(toString(properties.$ai_model), ''), 'not given') AS model,
        ifNull(toString(properties.$ai_is_error), '') = 'true' AS failed,
        ifNull(toFloat(properties.$ai_input_tokens), 0) AS input,
        ifNull(toFloat(properties.$ai_output_tokens), 0) AS output
    FROM events
    WHERE event IN ('$ai_generation', '$ai_embedding')
        AND properties.$lib = 'dev-analytics'
        AND {filters}
)
GROUP BY model
ORDER BY requests DESC, model
LIMIT 1000
