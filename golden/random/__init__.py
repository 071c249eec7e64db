"""The random bits of a design: the stream that it draws, its health tests, and what bad sources do."""

from golden.random.generator import choices, choices_of


__all__ = ["choices", "choices_of"]
