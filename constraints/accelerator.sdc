# Synopsys design constraints, for an ASIC flow: the clock, and half a period for the pins.
create_clock -name clk -period {period_ns} [get_ports clk]
set_input_delay  -clock clk {half_ns} [remove_from_collection [all_inputs] [get_ports clk]]
set_output_delay -clock clk {half_ns} [all_outputs]
