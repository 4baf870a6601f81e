-- title: Features by users
-- reason: Shows which features deserve work, and which could go.
-- draw: bar x=feature y=users
SELECT
    kind,
    feature,
    uniqExact(user) AS users,
    count() AS uses
FROM (
    SELECT DISTINCT
        uuid,
        distinct_id AS user,
        ifNull(nullIf(toString(properties.kind), ''), 'not given') AS kind,
        ifNull(nullIf(toString(properties.name), ''), 'not given') AS feature
    FROM events
    WHERE event = 'feature used'
        AND properties.$lib = 'dev-analytics'
        AND {filters}
)
GROUP BY kind, feature
ORDER BY users DESC, uses DESC, kind, feature
LIMIT 1000
