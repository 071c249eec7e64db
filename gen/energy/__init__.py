"""What a prediction does in the hardware, operation by operation, and the energy that this takes."""
