-- title: Who comes back, by week of first use
-- reason: Shows whether people stay, and whether a change makes more of them stay.
-- draw: table
SELECT
    first_week,
    weeks_later,
    uniqExact(user) AS users
FROM (
    SELECT
        first.user AS user,
        toString(first.week) AS first_week,
        intDiv(dateDiff('day', first.week, active.week), 7) AS weeks_later
    FROM (
        SELECT distinct_id AS user, min(toMonday(timestamp)) AS week
        FROM events
        WHERE properties.$lib = 'dev-analytics' AND {filters}
        GROUP BY distinct_id
    ) AS first
    JOIN (
        SELECT DISTINCT distinct_id AS user, toMonday(timestamp) AS week
        FROM events
        WHERE properties.$lib = 'dev-analytics' AND {filters}
    ) AS active ON active.user = first.user
)
GROUP BY first_week, weeks_later
ORDER BY first_week, weeks_later
LIMIT 10000
