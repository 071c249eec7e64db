"""Each block alone: its Verilog, a test bench, and what a designer of chips must know of it."""
