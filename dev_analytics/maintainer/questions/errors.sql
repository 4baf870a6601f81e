-- title: Errors by class, package, version and place
-- reason: Shows which errors to prevent or explain first, and where those of dev are.
-- draw: table
SELECT
    exception,
    package,
    version,
    place,
    uniqExact(user) AS users,
    count() AS errors
FROM (
    SELECT DISTINCT
        uuid,
        distinct_id AS user,
        ifNull(nullIf(toString(properties.exception), ''), 'not given') AS exception,
        ifNull(nullIf(toString(properties.package), ''), 'not given') AS package,
        ifNull(nullIf(toString(properties.$lib_version), ''), 'not given') AS version,
        arrayElement(
            extractAll(ifNull(toString(properties.frames), ''), '[A-Za-z0-9_.]+:[A-Za-z0-9_.<>]+:[0-9]+'),
            -1
        ) AS place
    FROM events
    WHERE event = 'error raised'
        AND properties.$lib = 'dev-analytics'
        AND {filters}
)
GROUP BY exception, package, version, place
ORDER BY errors DESC, exception, package, version, place
LIMIT 1000
