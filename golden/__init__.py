"""Float networks and their training, and the golden model that the Verilog must equal."""

import gen  # what Ctrl-C does while the modules of a command are imported
