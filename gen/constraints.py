"""Timing and pin constraints of a build, from the templates in ``constraints/``."""

from pathlib import Path


__all__ = ["constraints"]


#: Folder of the templates: beside this package, in a checkout as where it is installed.
TEMPLATES = Path(__file__).parent.parent / "constraints"


def constraints(clock_mhz: float, directory: Path, clock: str = "clk"):
    """Write every template, filled in for a clock of ``clock_mhz`` MHz at the port ``clock``, to the new
    folder ``directory``."""
    directory.mkdir()
    values = {"clock_mhz": f"{clock_mhz:g}", "period_ns": f"{1e3 / clock_mhz:.3f}",
              "half_ns": f"{500 / clock_mhz:.3f}", "clock": clock}
    for template in sorted((*TEMPLATES.glob("*.lpf"), *TEMPLATES.glob("*.sdc"))):
        text = template.read_text()
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        (directory / template.name).write_text(text)
