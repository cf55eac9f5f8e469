"""Tables larger than memory: DuckDB puts equal rows together, and only that comes back.

    if source.is_large(case):
        counted = count.count(case)     # one GROUP BY over the file
        cube = cube_of(counted.coded)      # the same as from the rows

It serves cases whose decisions or scores are columns of Parquet or CSV. A model needs the rows themselves.
"""
