"""A small library of standard cells, with tables that can be checked by hand."""

#: Name, area, function, capacitance of each input in fF.
GATES = [("INV", 1.0, "!A"), ("BUF", 1.5, "A"), ("NAND2", 2.0, "!(A & B)"), ("NOR2", 2.0, "(A + B)'"),
         ("XOR2", 3.0, "A ^ B"), ("AND2", 2.5, "A * B")]

#: Of every delay: so much in ns, and more for each ns of the slope of the input, and for each fF.
DELAY, BY_SLOPE, BY_LOAD = 0.1, 0.5, 0.01

#: Farad of an input, and volt.
PIN, VOLT = 2e-15, 1.0

HEAD = """\
/* cells of
   tests */
library (tiny) {
  delay_model : table_lookup;
  time_unit : "1ns"; voltage_unit : "1V"; leakage_power_unit : "1nW";
  capacitive_load_unit (1, ff);
  nom_voltage : 1.0;
  nom_temperature : 25.0
  default_wire_load : "small";
  wire_load ("small") {
    capacitance : 0.5; resistance : 0; area : 0; slope : 2; fanout_length (1, 1); fanout_length (3, 4);
  }
  lu_table_template (two) {
    variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("0, 1"); index_2 ("0, 10");
  }
  lu_table_template (setup) {
    variable_1 : related_pin_transition; variable_2 : constrained_pin_transition;
    index_1 ("0, 1"); index_2 ("0, 1");
  }
  power_lut_template (energy) {
    variable_1 : total_output_net_capacitance; variable_2 : input_transition_time;
    index_1 ("0, 10"); index_2 ("0, 1");
  }
  power_lut_template (hidden) { variable_1 : input_transition_time; index_1 ("0, 1"); }
"""

#: Rises a little later than it falls, by 0.01 ns.
_TIMING = """\
      timing () {{
        related_pin : "{pin}"; timing_type : {kind}; timing_sense : {sense};
        cell_rise (two) {{ values ("0.11, 0.21", \\
                                 "0.61, 0.71"); }}
        cell_fall (two) {{ values ("0.10, 0.20", "0.60, 0.70"); }}
        rise_transition (two) {{ values ("0.02, 0.22", "0.12, 0.32"); }}
        fall_transition (two) {{ values ("0.02, 0.22", "0.12, 0.32"); }}
      }}
"""

_FLIP_FLOP = """\
  cell (DFF) {
    area : 5;
    cell_leakage_power : 7;
    ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }
    pin (D) {
      direction : input; capacitance : 2;
      timing () {
        related_pin : "CK"; timing_type : setup_rising;
        rise_constraint (setup) { values ("0.05, 0.15", "0.05, 0.15"); }
        fall_constraint (setup) { index_2 ("0, 1"); values ("0.04, 0.14", "0.04, 0.14"); }
      }
    }
    pin (CK) {
      direction : input; clock : true; capacitance : 1;
      internal_power () { when : "D & Q"; rise_power (hidden) { values ("3, 3"); }
                          fall_power (hidden) { values ("1, 1"); } }
      internal_power () { rise_power (hidden) { values ("5, 5"); }
                          fall_power (hidden) { values ("1, 1"); } }
    }
    pin (Q) {
      direction : output; function : "IQ";
      internal_power () { related_pin : "CK"; rise_power (energy) { values ("4, 4", "4, 4"); }
                          fall_power (energy) { values ("6, 6", "6, 6"); } }
TIMING    }
    pin (QN) { direction : output; function : "IQN"; }
  }
}
"""


def text() -> str:
    """Return the library as a Liberty file."""
    cells = []
    for name, area, function in GATES:
        pins = [pin for pin in "AB" if pin in function]
        leakage = ("leakage_power () { when : \"A\"; value : 3; } cell_leakage_power : 1;" if name == "INV"
                   else "cell_leakage_power : 2;")
        sense = {"XOR2": "non_unate", "BUF": "positive_unate", "AND2": "positive_unate"}.get(
            name, "negative_unate")
        cells.append(f"  cell ({name}) {{\n    area : {area};\n    {leakage}\n" + "".join(
            f"    pin ({pin}) {{ direction : input; capacitance : {PIN * 1e15:g}; }}\n" for pin in pins)
            + f'    pin (Y) {{\n      direction : output; function : "{function}";\n'
            + "".join(_TIMING.format(pin=pin, kind="combinational", sense=sense) for pin in pins)
            + "".join(f"""\
      internal_power () {{ related_pin : "{pin}";
        rise_power (energy) {{ values ("{joule}, {joule}", "{joule + 10}, {joule + 10}"); }}
        fall_power (energy) {{ values ("{joule + 1}, {joule + 1}", "{joule + 11}, {joule + 11}"); }}
      }}
""" for joule, pin in enumerate(pins, 1)) + "    }\n  }\n")
    return HEAD + "".join(cells) + _FLIP_FLOP.replace(
        "TIMING", _TIMING.format(pin="CK", kind="rising_edge", sense="non_unate"))
