-- title: Errors per 1,000 cells, by version
-- reason: Shows whether a release made things worse.
-- draw: bar x=version y=errors_per_1000_cells
SELECT
    version,
    uniqExact(user) AS users,
    countIf(what = 'cell executed') AS cells,
    countIf(what = 'error raised') AS errors,
    if(
        countIf(what = 'cell executed') = 0,
        NULL,
        round(1000 * countIf(what = 'error raised') / countIf(what = 'cell executed'), 1)
    ) AS errors_per_1000_cells
FROM (
    SELECT DISTINCT
        uuid,
        distinct_id AS user,
        event AS what,
        ifNull(nullIf(toString(properties.$lib_version), ''), 'not given') AS version
    FROM events
    WHERE event IN ('cell executed', 'error raised')
        AND properties.$lib = 'dev-analytics'
        AND {filters}
)
GROUP BY version
ORDER BY version
LIMIT 1000
