"""The benchmark suite: `bench/run.py` joins these parts.

measuring    one command, from start to end: seconds, processor time, peak memory of its whole process tree
server       a PostgreSQL server of our own
peers        the environments of the peers, and why one is missing
checksums    whether the right rows arrived
contenders   what is measured, beside what, and the goals
rounds       runs contenders in turn
report       the Markdown
subjects     one module per row of the report
"""
