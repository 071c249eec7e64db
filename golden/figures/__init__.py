"""Figures, those of the papers among them: numbers as a table, and a drawing of them."""
