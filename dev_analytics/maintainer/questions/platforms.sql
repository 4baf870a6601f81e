-- title: Versions, Pythons, systems and front ends in use
-- reason: Decides which of them are tested, and when the support of an old one can end.
-- draw: table
SELECT
    tupleElement(told, 1) AS what,
    tupleElement(told, 2) AS name,
    uniqExact(user) AS users,
    uniqExact(uuid) AS launches
FROM (
    SELECT
        uuid,
        distinct_id AS user,
        arrayJoin([
            ('version', ifNull(nullIf(toString(properties.version), ''), 'not given')),
            ('python', ifNull(nullIf(toString(properties.python), ''), 'not given')),
            ('ipython', ifNull(nullIf(toString(properties.ipython), ''), 'not given')),
            ('system', ifNull(nullIf(toString(properties.os), ''), 'not given')),
            ('front end', ifNull(nullIf(toString(properties.frontend), ''), 'not given'))
        ]) AS told
    FROM events
    WHERE event = 'launched'
        AND properties.$lib = 'dev-analytics'
        AND {filters}
)
GROUP BY what, name
ORDER BY what, users DESC, name
LIMIT 1000
