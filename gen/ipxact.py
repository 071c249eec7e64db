"""The accelerator on AXI for the catalogues of tools: IP-XACT, in the version that Vivado has (IEEE Std
1685-2009)."""

from collections.abc import Sequence
from xml.etree import ElementTree

from hdl.bus.register_map import ADDRESS_BITS, Register


__all__ = ["component"]


_SPIRIT = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"

#: Of each interface the definition that Vivado has of it, whether it answers, and the prefix of its ports.
_BUSES = {
    "s_axis": ("interface", "axis", "slave", "s_axis_"),
    "m_axis": ("interface", "axis", "master", "m_axis_"),
    "s_axi":  ("interface", "aximm", "slave", "s_axi_"),
}

#: Of each signal its definition, the name of its port there, and what a tool must know.
_SIGNALS = {
    "aclk":      ("clock", "CLK", "slave", {"ASSOCIATED_BUSIF": ":".join(_BUSES),
                                            "ASSOCIATED_RESET": "aresetn"}),
    "aresetn":   ("reset", "RST", "slave", {"POLARITY": "ACTIVE_LOW"}),
    "interrupt": ("interrupt", "INTERRUPT", "master", {"SENSITIVITY": "LEVEL_HIGH"}),
}

#: Access to a register, by kind.
_ACCESS = {"constant": "read-only", "input": "read-only", "counter": "read-only", "setting": "read-write",
           "flags": "read-write", "command": "write-only"}


def component(name: str, version: str, ports: Sequence[dict], registers: Sequence[Register],
              sources: Sequence[str]) -> str:
    """Return the description of a module: its interfaces, registers, ports and files.

    Parameters
    ----------
    name, version : str
        Name of the module, and version of the generator.
    ports : sequence of dict
        As the manifest has them (:func:`gen.emit.listed`).
    registers : sequence of Register
        What is behind ``s_axi``.
    sources : sequence of str
        Files, from the folder of the description; those that are no Verilog are read by it.
    """
    ElementTree.register_namespace("spirit", _SPIRIT)
    root = ElementTree.Element(f"{{{_SPIRIT}}}component")
    _identify(root, "spincim", "accelerator", name, version)
    names = [port["name"] for port in ports]
    buses = _add(root, "busInterfaces")
    for bus, (library, kind, mode, prefix) in _BUSES.items():
        maps = {port.removeprefix(prefix).upper(): port for port in names if port.startswith(prefix)}
        _interface(buses, bus, library, kind, mode, maps,
                   {"PROTOCOL": "AXI4LITE"} if kind == "aximm" else {})
    for signal, (kind, logical, mode, parameters) in _SIGNALS.items():
        _interface(buses, signal, "signal", kind, mode, {logical: signal}, parameters)
    _memory_map(root, registers)
    _model(root, name, ports)
    files = _add(_add(root, "fileSets"), "fileSet")
    _add(files, "name", "verilog")
    for source in sources:
        file = _add(files, "file")
        _add(file, "name", source)
        _add(file, *(("fileType", "verilogSource") if source.endswith(".v") else ("userFileType", "hex")))
    _add(root, "description", "Bayesian neural network with a spintronic compute-in-memory crossbar")
    # Vivado wants a name for each instance.
    _parameters(root, {"Component_Name": name})
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add(parent, tag, text=None, **attributes):
    child = ElementTree.SubElement(parent, f"{{{_SPIRIT}}}{tag}",
                                   {f"{{{_SPIRIT}}}{key}": str(value) for key, value in attributes.items()})
    child.text = text if text is None else str(text)
    return child


def _identify(parent, vendor, library, name, version):
    for tag, text in (("vendor", vendor), ("library", library), ("name", name), ("version", version)):
        _add(parent, tag, text)


def _interface(parent, name, library, kind, mode, maps, parameters):
    interface = _add(parent, "busInterface")
    _add(interface, "name", name)
    for tag, definition in (("busType", kind), ("abstractionType", f"{kind}_rtl")):
        _add(interface, tag, vendor="xilinx.com", library=library, name=definition, version="1.0")
    side = _add(interface, mode)
    if kind == "aximm":
        _add(side, "memoryMapRef", memoryMapRef=name)
    ports = _add(interface, "portMaps")
    for logical, physical in maps.items():
        port = _add(ports, "portMap")
        _add(_add(port, "logicalPort"), "name", logical)
        _add(_add(port, "physicalPort"), "name", physical)
    _parameters(interface, parameters, f"BUSIFPARAM_VALUE.{name.upper()}.")


def _parameters(parent, values, prefix="PARAM_VALUE."):
    if values:
        parameters = _add(parent, "parameters")
        for name, value in values.items():
            parameter = _add(parameters, "parameter")
            _add(parameter, "name", name)
            _add(parameter, "value", value, id=f"{prefix}{name}")


def _memory_map(root, registers):
    memory = _add(_add(root, "memoryMaps"), "memoryMap")
    _add(memory, "name", "s_axi")
    block = _add(memory, "addressBlock")
    for tag, text in (("name", "registers"), ("baseAddress", 0), ("range", 1 << ADDRESS_BITS),
                      ("width", 32), ("usage", "register")):
        _add(block, tag, text)
    for register in registers:
        one     = _add(block, "register")
        changes = register.kind in ("input", "counter", "flags")
        access  = _ACCESS[register.kind]
        for tag, text in (("name", register.name), ("description", register.text),
                          ("addressOffset", f"0x{register.address:X}"), ("size", 32),
                          ("volatile", str(changes).lower()), ("access", access)):
            _add(one, tag, text)
        if register.kind in ("constant", "setting"):
            _add(_add(one, "reset"), "value", f"0x{register.value:X}")
        for field in register.fields:
            bits = _add(one, "field")
            for tag, text in (("name", field.name), ("description", field.text), ("bitOffset", field.low),
                              ("bitWidth", field.width), ("access", access)):
                _add(bits, tag, text)
            if register.kind == "flags":
                _add(bits, "modifiedWriteValue", "oneToClear")


def _model(root, name, ports):
    model = _add(root, "model")
    views = _add(model, "views")
    for view in ("synthesis", "simulation"):
        one = _add(views, "view")
        for tag, text in (("name", view), ("envIdentifier", f":vivado.xilinx.com:{view}"),
                          ("language", "Verilog"), ("modelName", name)):
            _add(one, tag, text)
        _add(_add(one, "fileSetRef"), "localName", "verilog")
    listed = _add(model, "ports")
    for port in ports:
        one = _add(listed, "port")
        _add(one, "name", port["name"])
        wire = _add(one, "wire")
        _add(wire, "direction", port["direction"])
        if port["width"] > 1:
            vector = _add(wire, "vector")
            _add(vector, "left", port["width"] - 1)
            _add(vector, "right", 0)
