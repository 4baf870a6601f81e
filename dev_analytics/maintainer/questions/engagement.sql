-- title: Sessions, cells and days of each user, week by week
-- reason: Shows how much dev is used by those who use it.
-- draw: line x=week y=users,sessions_per_user,cells_per_user,days_per_user
SELECT
    week,
    count() AS users,
    sum(sessions) AS all_sessions,
    sum(cells) AS all_cells,
    round(avg(sessions), 2) AS sessions_per_user,
    round(avg(cells), 2) AS cells_per_user,
    round(avg(days), 2) AS days_per_user
FROM (
    SELECT
        toString(toMonday(timestamp)) AS week,
        distinct_id AS user,
        uniqExact(properties.$session_id) AS sessions,
        uniqExactIf(uuid, event = 'cell executed') AS cells,
        uniqExact(toDate(timestamp)) AS days
    FROM events
    WHERE properties.$lib = 'dev-analytics'
        AND {filters}
    GROUP BY week, user
)
GROUP BY week
ORDER BY week
LIMIT 1000
