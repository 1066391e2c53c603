"""The package as a whole."""

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

IMPORT_ALL_WITHOUT_POSIX = """
import sys
for missing in "fcntl", "resource", "termios", "twisted.internet.stdio":
    sys.modules[missing] = None
from importlib import import_module
from pkgutil import iter_modules
from twisted.internet.main import installReactor
from twisted.internet.testing import MemoryReactorClock
import echoreply
# Twisted's supervisor asks for the reactor when it is imported, and this system's would need them.
installReactor(MemoryReactorClock())
for module in iter_modules(echoreply.__path__):
    import_module(f"echoreply.{module.name}")
    print(module.name)
"""


class ImportTests(SynchronousTestCase):
    def test_every_module_can_be_imported_where_posix_is_not(self) -> None:
        command = [sys.executable, "-c", IMPORT_ALL_WITHOUT_POSIX]
        imported = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(imported.stderr, "")
        self.assertIn("session", imported.stdout.split())
