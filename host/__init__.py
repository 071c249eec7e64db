"""The software beside an accelerator on a board: images in, classes or numbers and their
uncertainty out.

    from host import Accelerator

    with Accelerator.open("build/lenet5", "/dev/ttyUSB0") as accelerator:
        found = accelerator.predict(images, passes=20)
"""

from host.accelerator import Accelerator, HostError, Numbers, Predictions
from host.devices import Memory, Overlay


__all__ = ["Accelerator", "HostError", "Memory", "Numbers", "Overlay", "Predictions"]
