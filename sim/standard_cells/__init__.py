"""What the standard cells of an accelerator do in simulation, and the energy that this takes."""
