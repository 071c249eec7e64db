# Synopsys design constraints, for an ASIC flow: the clock, and half a period for the pins.
create_clock -name {clock} -period {period_ns} [get_ports {clock}]
set_input_delay  -clock {clock} {half_ns} [remove_from_collection [all_inputs] [get_ports {clock}]]
set_output_delay -clock {clock} {half_ns} [all_outputs]
