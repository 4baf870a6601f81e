-- title: Records that are missing
-- reason: Says how far the other answers can be relied on: what is lost or put into quarantine leaves a gap.
-- draw: table
SELECT
    version,
    count() AS sessions,
    countIf(last - first + 1 > different) AS sessions_with_gaps,
    sum(last - first + 1 - different) AS missing_between,
    countIf(first > 1) AS sessions_without_beginning,
    countIf(ends = 0) AS sessions_without_end,
    sum(stored - different) AS stored_twice
FROM (
    SELECT
        toString(properties.$session_id) AS session,
        max(toString(properties.$lib_version)) AS version,
        min(toFloat(properties.seq)) AS first,
        max(toFloat(properties.seq)) AS last,
        uniqExact(toFloat(properties.seq)) AS different,
        count() AS stored,
        countIf(event = 'exited') AS ends
    FROM events
    WHERE properties.$lib = 'dev-analytics'
        AND {filters}
    GROUP BY session
)
GROUP BY version
ORDER BY version
LIMIT 1000
