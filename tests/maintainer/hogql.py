"""Functions that HogQL lets a query call, of those that a question could want.

The parser does not check them. From PostHog's page of functions and its list of aggregations.
"""

ALLOWED = set(
    # conversions, conditions, nulls
    "toInt toFloat toDate toDateTime toString if multiIf isNull isNotNull coalesce ifNull nullIf "
    # arrays and tuples
    "array arrayElement arrayJoin arrayMap arrayFilter arraySort has length tuple tupleElement "
    # dates
    "toMonday toStartOfWeek toStartOfDay toStartOfMonth dateDiff today now addDays addWeeks "
    # texts
    "concat extract extractAll startsWith endsWith splitByChar lower "
    # numbers
    "plus minus multiply divide intDiv modulo round floor ceil abs "
    # comparisons
    "and or not equals in notIn "
    # aggregations
    "count countIf uniq uniqIf uniqExact uniqExactIf sum sumIf avg avgIf min max minIf maxIf any "
    "argMin argMax median quantile quantileIf quantileExact groupArray groupUniqArray".split()
)
