-- title: First and last use of each feature
-- reason: Shows when a new feature is found, and when an old one is given up.
-- draw: table
SELECT
    kind,
    feature,
    toString(toDate(min(timestamp))) AS first_used,
    toString(toDate(max(timestamp))) AS last_used,
    uniqExact(distinct_id) AS users
FROM (
    SELECT
        timestamp,
        distinct_id,
        ifNull(nullIf(toString(properties.kind), ''), 'not given') AS kind,
        ifNull(nullIf(toString(properties.name), ''), 'not given') AS feature
    FROM events
    WHERE event = 'feature used'
        AND properties.$lib = 'dev-analytics'
        AND {filters}
)
GROUP BY kind, feature
ORDER BY last_used, kind, feature
LIMIT 1000
