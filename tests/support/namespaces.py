"""Machines with addresses of their own, without machines: network namespaces, or addresses of loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack

from tests.support.processes import free_port
from tests.support.wire_contract import PATIENCE, Wire

GIVE_SOCKETS = """
import socket, sys
asked = socket.socket(fileno=int(sys.argv[1]))
while asked.recv(1):
    with socket.socket() as made:
        socket.send_fds(asked, [b"."], [made.fileno()])
"""


class NoNamespaces(Exception):
    """This process may make no network namespaces, or lacks a program for it."""


class Namespace(AbstractContextManager["Namespace"]):
    """
    A network namespace, which lasts as long as a process in it, and a user namespace in which we are root.

    @param inside: the command that runs another one in the user namespace, if there is one.
    @raise NoNamespaces: it can't be made.
    """

    def __init__(self, inside: Sequence[str] = ()) -> None:
        kind = ["--net"] if inside else ["--user", "--map-root-user", "--net"]
        self._asked, answers = socket.socketpair()
        with answers:
            self.process = subprocess.Popen(
                [*inside, "unshare", *kind, sys.executable, "-c", GIVE_SOCKETS, str(answers.fileno())],
                pass_fds=[answers.fileno()],
                stderr=subprocess.PIPE,
            )
        self._asked.settimeout(PATIENCE)
        self.inside = ["nsenter", f"--target={self.process.pid}", "--user", "--preserve-credentials", "--net"]
        try:
            self.socket().close()
            self.run("ip", "link", "set", "lo", "up")
        except (OSError, NoNamespaces):
            self.__exit__()
            raise NoNamespaces from None

    def __exit__(self, *_: object) -> None:
        self._asked.close()
        self.process.wait(PATIENCE)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def run(self, *command: str) -> None:
        """Run a command in it."""
        completed = subprocess.run([*self.inside, *command], capture_output=True, timeout=PATIENCE, check=False)
        if completed.returncode:
            raise NoNamespaces(completed.stderr)

    def socket(self) -> socket.socket:
        """Make a socket in it, which may be used from anywhere."""
        self._asked.send(b".")
        _, descriptors, _, _ = socket.recv_fds(self._asked, 1, 1)
        if not descriptors:
            raise NoNamespaces
        return socket.socket(fileno=descriptors[0])


class Network(AbstractContextManager["Network"], ABC):
    """
    Machines by their names, each with an address.

    @ivar port: one that is free on all of them.
    """

    port: int

    def __init__(self, addresses: dict[str, str]) -> None:
        self.addresses = addresses

    def __exit__(self, *_: object) -> None:
        """Take it all away."""

    @abstractmethod
    def inside(self, name: str) -> Sequence[str]:
        """Give the command that runs another one on a machine."""

    @abstractmethod
    def socket(self, name: str) -> socket.socket:
        """Make a socket on a machine."""

    def dial(self, here: str, there: str, receive_buffer: int | None = None) -> Wire:
        """Connect two machines."""
        return Wire(self.addresses[there], self.port, receive_buffer, self.socket(here))


class Namespaces(Network):
    """
    Machines that are namespaces. The first one is the switch, too.

    @raise NoNamespaces: there can be none.
    """

    port = 8088

    def __init__(self, addresses: dict[str, str]) -> None:
        super().__init__(addresses)
        if not all(map(shutil.which, ("ip", "nsenter", "unshare"))):
            raise NoNamespaces
        self._machines: dict[str, Namespace] = {}
        with ExitStack() as stack:
            for name, address in addresses.items():
                self._machines[name] = machine = stack.enter_context(
                    Namespace(self._switch.inside if self._machines else ())
                )
                if machine is self._switch:
                    machine.run("ip", "link", "add", "eth0", "type", "bridge")
                else:
                    peer = ["peer", "name", "eth0", "netns", str(machine.process.pid)]
                    self._switch.run("ip", "link", "add", name, "type", "veth", *peer)
                    self._switch.run("ip", "link", "set", name, "master", "eth0", "up")
                machine.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
                machine.run("ip", "link", "set", "eth0", "up")
            self._stack = stack.pop_all()

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def _switch(self) -> Namespace:
        return next(iter(self._machines.values()))

    def inside(self, name: str) -> Sequence[str]:
        return self._machines[name].inside

    def socket(self, name: str) -> socket.socket:
        return self._machines[name].socket()

    def unplug(self, name: str) -> None:
        """Make a machine vanish, without a word to anybody."""
        self._switch.run("ip", "link", "set", name, "down")


class Loopback(Network):
    """Machines that are addresses of loopback."""

    def __init__(self, addresses: dict[str, str]) -> None:
        # HAProxy's own is what it gets when it connects.
        super().__init__({name: f"127.0.0.{number}" for number, name in enumerate(addresses, 1)})
        self.port = free_port()

    def inside(self, name: str) -> Sequence[str]:
        return []

    def socket(self, name: str) -> socket.socket:
        made = socket.socket()
        made.bind((self.addresses[name], 0))
        return made


def network(addresses: dict[str, str]) -> Network:
    """Give namespaces if there can be any, otherwise loopback."""
    try:
        return Namespaces(addresses)
    except NoNamespaces:
        return Loopback(addresses)
