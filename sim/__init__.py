"""The emitted Verilog, simulated and compared with the golden model."""

import gen  # what Ctrl-C does while the modules of a command are imported
