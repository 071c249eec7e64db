"""From a trained network to Verilog and reports."""

import signal as _signal
import sys as _sys


# A command (``python -m gen.build``) that is interrupted while its modules are still imported ends without
# a traceback; gen.command takes over from there. Elsewhere Ctrl-C stays what it is, and so it does where it
# is ignored.
if _sys.argv[:1] == ["-m"] and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
