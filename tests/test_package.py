"""The package as a whole."""

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import echoreply

IMPORT_ALL_WITHOUT_POSIX = """
import sys
for missing in "fcntl", "resource", "termios", "twisted.internet.stdio":
    sys.modules[missing] = None
from importlib import import_module
from pkgutil import walk_packages
from twisted.internet.main import installReactor
from twisted.internet.testing import MemoryReactorClock
import echoreply
# Twisted's supervisor asks for the reactor when it is imported, and this system's would need them.
installReactor(MemoryReactorClock())
for module in walk_packages(echoreply.__path__, "echoreply."):
    import_module(module.name)
    print(module.name)
"""


class ImportTests(SynchronousTestCase):
    def test_every_module_can_be_imported_where_posix_is_not(self) -> None:
        command = [sys.executable, "-c", IMPORT_ALL_WITHOUT_POSIX]
        imported = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(imported.stderr, "")
        package = Path(echoreply.__file__).parent
        modules = {
            ".".join(("echoreply", *file.relative_to(package).with_suffix("").parts)).removesuffix(".__init__")
            for file in package.rglob("*.py")
        }
        self.assertEqual(set(imported.stdout.split()), modules - {"echoreply"})
