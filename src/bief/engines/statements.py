"""The sentences of a comparison, in the words of DuckDB. Used by `engines.comparing`.

Tables `first` and `second` have, for each row, the hash of its key (`k`), two hashes of its content (`h1`, `h2`) and
its version (`v`); `rowid` is the place of the row in its spool, as rows are only ever added. `first_gone` has keys
that were deleted, with the number of rows that had come before.
"""

from __future__ import annotations

from typing import Final

# Keys of rows that are left out because they, or their counterpart, are later than the user wants to look.
LATE: Final = """
CREATE TEMP TABLE late AS
SELECT k FROM first WHERE v > $1 UNION SELECT k FROM second WHERE v > $1"""
NONE_LATE: Final = "CREATE TEMP TABLE late AS SELECT k FROM first WHERE FALSE"

# A checksum of each slice in which the order of the rows does not count; what was deleted still counts in it.
UNEQUAL: Final = """
CREATE TEMP TABLE unequal AS SELECT coalesce(s.slice, d.slice) AS slice
FROM (SELECT k >> 54 AS slice, count(*) AS n, sum(h1) AS a, sum(h2) AS b FROM first ANTI JOIN late USING (k)
    GROUP BY slice) AS s
FULL JOIN (SELECT k >> 54 AS slice, count(*) AS n, sum(h1) AS a, sum(h2) AS b FROM second ANTI JOIN late USING (k)
    GROUP BY slice) AS d ON s.slice = d.slice
WHERE s.n IS DISTINCT FROM d.n OR s.a IS DISTINCT FROM d.a OR s.b IS DISTINCT FROM d.b
UNION SELECT k >> 54 FROM first_gone"""

# The rows of unequal slices, without what was deleted after it had come; of rows with one key the newest counts.
LEFT: Final = """
CREATE TEMP TABLE s AS
SELECT k, h1, h2, v, rowid AS place, row_number() OVER (PARTITION BY {same} ORDER BY {newest}) AS number
FROM first AS f ANTI JOIN late USING (k)
WHERE k >> 54 IN (SELECT slice FROM unequal)
    AND NOT EXISTS (SELECT 1 FROM first_gone AS g WHERE g.k = f.k AND g.place > f.rowid)
QUALIFY number <= {kept}"""
RIGHT: Final = """
CREATE TEMP TABLE d AS
SELECT k, h1, h2, rowid AS place, row_number() OVER (PARTITION BY {same} ORDER BY rowid) AS number
FROM second ANTI JOIN late USING (k)
WHERE k >> 54 IN (SELECT slice FROM unequal)"""

DIFFERENCES: Final = """
CREATE TEMP TABLE difference AS
SELECT CASE WHEN d.k IS NULL THEN 'missing' WHEN s.k IS NULL THEN 'extra' ELSE 'changed' END AS kind,
    s.place AS first_place, d.place AS second_place, s.v AS v
FROM s FULL JOIN d ON {on} AND s.number = d.number
WHERE s.k IS NULL OR d.k IS NULL OR s.h1 <> d.h1 OR s.h2 <> d.h2"""

COUNTS: Final = """
SELECT count(*) FILTER (kind = 'missing') AS missing, count(*) FILTER (kind = 'extra') AS extra,
    count(*) FILTER (kind = 'changed') AS changed,
    count(*) FILTER (v > (SELECT max(v) FROM second)) AS newer,
    (SELECT count(*) FROM unequal) AS slices,
    (SELECT count(*) FROM first ANTI JOIN late USING (k) WHERE k >> 54 IN (SELECT slice FROM unequal))
        - (SELECT count(*) FROM s) AS repeated,
    (SELECT count(*) FROM first SEMI JOIN late USING (k)) AS later_first,
    (SELECT count(*) FROM second SEMI JOIN late USING (k)) AS later_second
FROM difference"""

# Of the whole side: slices that are equal have the same sum on both.
CHECKSUM: Final = """
SELECT sum(a) % 18446744073709551616, sum(b) % 18446744073709551616 FROM (
    SELECT coalesce(sum(h1), 0) AS a, coalesce(sum(h2), 0) AS b FROM {side} ANTI JOIN late USING (k)
    WHERE k >> 54 NOT IN (SELECT slice FROM unequal)
    UNION ALL SELECT coalesce(sum(h1), 0), coalesce(sum(h2), 0) FROM {examined})"""

SAMPLE: Final = """
SELECT kind, first_place, second_place FROM difference
QUALIFY row_number() OVER (PARTITION BY kind ORDER BY coalesce(first_place, second_place)) <= $1
ORDER BY kind DESC, coalesce(first_place, second_place)"""
