"""Whether the tests of each block fail when its netlist is wrong."""
