"""What the data must be like: read, proposed from a reference, and checked with every failure at once, by group.

    contract = read.read_contract(Path("contract.toml"))     # or a Great Expectations suite, suite.json
    result = check.check(frame, contract, groups)            # pure; the audit, `assay contract` and the loop call it
    result.broken                                            # the checks of severity "error" that failed

records.py values, kinds.py the table of kinds, gx.py files of Great Expectations, propose.py a contract from a
reference.
"""
