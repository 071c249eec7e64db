"""Lists of fields as the bits of a payload, and back."""

__all__ = ["pack", "unpack"]


def pack(values, width):
    """Join ``values``, unsigned or two's complement, of ``width`` bits each, the first lowest."""
    mask = (1 << width) - 1
    return sum((int(value) & mask) << index * width for index, value in enumerate(values))


def unpack(word, width, count, *, signed=False):
    """Take ``word`` apart into ``count`` values of ``width`` bits each."""
    values = [word >> index * width & (1 << width) - 1 for index in range(count)]
    return [value - (value >> width - 1 << width) for value in values] if signed else values
