-- title: Commands by users
-- reason: Shows which commands are used, and which nobody finds.
-- draw: bar x=command y=users
SELECT
    command,
    uniqExact(user) AS users,
    count() AS uses
FROM (
    SELECT DISTINCT
        uuid,
        distinct_id AS user,
        ifNull(nullIf(toString(properties.command), ''), 'not given') AS command
    FROM events
    WHERE event = 'command run'
        AND properties.$lib = 'dev-analytics'
        AND {filters}
)
GROUP BY command
ORDER BY users DESC, uses DESC, command
LIMIT 1000
