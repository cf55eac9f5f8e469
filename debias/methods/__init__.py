"""Ways to mitigate: a table of them (table.py) and one file for each kind."""
