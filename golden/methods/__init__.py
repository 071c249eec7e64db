"""The methods, one file each: how a network makes its random choices, and what training does for them."""
