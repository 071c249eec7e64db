"""The random bits of a design: the stream of choices, the health tests, and models of bad sources."""

from golden.random.generator import choices, choices_of


__all__ = ["choices", "choices_of"]
