"""The random bits of a design: their stream, what passes choose by them, the health tests, and models of
bad sources."""

from golden.random.generator import choices


__all__ = ["choices"]
