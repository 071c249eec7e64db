"""How long the paths of a netlist take, by the tables of its cells."""

from dataclasses import dataclass

from gen.standard_cells.netlist import Netlist


__all__ = ["Timing", "timing"]


#: Edges, and tables of the delay and of the transition time of an output that has one.
_EDGES = {"rise": ("cell_rise", "rise_transition"), "fall": ("cell_fall", "fall_transition")}
_OTHER = {"rise": "fall", "fall": "rise"}


@dataclass(frozen=True)
class Timing:
    """What :func:`timing` finds."""

    path_s: float | None            #: Of the slowest path from register to register, with setup; or None.
    path: list[tuple[str, str, str, float]]     #: Block, cell and pin on it, and when that changes, in s.
    transitions: dict[int, float]   #: Time in seconds that an edge of each net takes, the longer one.


def timing(netlist: Netlist) -> Timing:
    """Return the slowest path between flip-flops, and the time that the edges of each net take.

    Delays and transition times follow from the tables of the cells, at the worst arc of each pin and for
    each edge apart, as static timing analysis does it. A net has the capacitance of the pins on it and no
    wire; the clock is ideal. What comes from ports, memories and arrays begins at time 0, and what goes
    there ends no path.
    """
    drivers, loads = netlist.drivers(), netlist.loads()
    arrivals, came = {}, {}         # by net and edge: time and transition; and what was before
    for number in netlist.flip_flops():
        instance = netlist.instances[number]
        for pin in instance.cell.outputs:
            net = instance.nets.get(pin.name)
            if net is None:
                continue
            for edge, (delay, transition) in _EDGES.items():
                _latest(arrivals, came, net, edge, (
                    (arc.tables[delay].at(0.0, loads.get(net, 0.0)),
                     arc.tables[transition].at(0.0, loads.get(net, 0.0)), None)
                    for arc in pin.arcs if arc.kind == "rising_edge" and delay in arc.tables))
    for number in netlist.in_order():
        instance = netlist.instances[number]
        for pin in instance.cell.outputs:
            net = instance.nets.get(pin.name)
            if net is not None:
                load = loads.get(net, 0.0)
                for edge in _EDGES:
                    _latest(arrivals, came, net, edge, _through(instance, pin, edge, load, arrivals))
    slowest = None
    for number in netlist.flip_flops():
        instance = netlist.instances[number]
        for pin in instance.cell.inputs:
            net = instance.nets.get(pin.name)
            for arc in pin.arcs:
                if arc.kind != "setup_rising":
                    continue
                for edge in _EDGES:
                    found = arrivals.get((net, edge))
                    if found and (table := arc.tables.get(f"{edge}_constraint")):
                        # Rows are over the constrained pin here, columns over the clock.
                        end = found[0] + table.at(found[1], 0.0)
                        if slowest is None or end > slowest[0]:
                            slowest = end, net, edge
    transitions = {}
    for (net, _), (_, transition) in arrivals.items():
        transitions[net] = max(transition, transitions.get(net, 0.0))
    if slowest is None:
        return Timing(None, [], transitions)
    end, *at = slowest
    path, at = [], tuple(at)
    while at is not None:
        number, pin = drivers[at[0]]
        instance = netlist.instances[number]
        path.append((instance.block, instance.cell.name, pin, arrivals[at][0]))
        at = came[at]
    return Timing(end, path[::-1], transitions)


def _through(instance, pin, edge, load, arrivals):
    """Yield arrival and transition at an output by each way through a gate, and what was before."""
    delay, transition = _EDGES[edge]
    for arc in pin.arcs:
        if arc.kind != "combinational" or delay not in arc.tables:
            continue
        causes = {"positive_unate": [edge], "negative_unate": [_OTHER[edge]]}.get(arc.sense, [*_EDGES])
        for cause in causes:
            before = instance.nets.get(arc.related), cause
            if before in arrivals:
                time, slope = arrivals[before]
                yield (time + arc.tables[delay].at(slope, load), arc.tables[transition].at(slope, load),
                       before)


def _latest(arrivals, came, net, edge, ways):
    """Keep the latest arrival at a net, and the longest transition."""
    ways = list(ways)
    if ways:
        time, _, before = max(ways, key=lambda way: way[0])
        arrivals[net, edge] = time, max(way[1] for way in ways)
        came[net, edge] = before
