"""Technology mapping of gates to lookup tables (LUTs) of four inputs.

Each gate has a few *cuts*, sets of at most four nodes that it is a function of, by *area flow*
(A. Mishchenko et al., Combinational and Sequential Mapping with Priority Cuts, ICCAD 2007): the cost of a
cut is one table and the costs of its nodes, each divided by the gates that use it. From the outputs on, the
best cut of each gate that is reached is a table.
"""

from collections import Counter

from gen.logic import Gates


__all__ = ["count_tables"]


#: Inputs of a table, and cuts that are kept of a gate.
_INPUTS, _CUTS = 4, 4


def count_tables(gates: Gates, roots: list[int]) -> int:
    """Return how many tables the gates behind the literals ``roots`` take."""
    needed = gates.behind(roots)
    users  = Counter(literal >> 1 for node in needed for literal in gates.inputs[node])
    users.update(literal >> 1 for literal in roots)
    flow, cuts = Counter(), {}
    for node in needed:
        found = {frozenset()}
        for literal in gates.inputs[node]:
            below   = literal >> 1
            choices = (frozenset((below,)), *cuts.get(below, ()))
            found   = {both for one in found for other in choices if len(both := one | other) <= _INPUTS}
        # Of equal ones that of fewer nodes, to which more can be added.
        priced = sorted((1 + sum(flow[leaf] for leaf in cut), len(cut), sorted(cut))
                        for cut in found)[:_CUTS]
        cuts[node] = [frozenset(cut) for *_, cut in priced]
        flow[node] = priced[0][0] / users[node]
    tables, todo = set(), [literal >> 1 for literal in roots]
    while todo:
        node = todo.pop()
        if node in cuts and node not in tables:
            tables.add(node)
            todo += cuts[node][0]
    return len(tables)
