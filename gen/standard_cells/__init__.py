"""The accelerator in standard cells of a Liberty file: its netlist, its area and its timing."""
