"""Proofs about the blocks of ``hdl/``: a file here that is named as a block holds the proofs about it."""
