"""Simulated machines with their own addresses: network namespaces, or addresses of loopback."""

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

SEND_SOCKETS = """
import socket, sys
asked = socket.socket(fileno=int(sys.argv[1]))
while asked.recv(1):
    with socket.socket() as made:
        socket.send_fds(asked, [b"."], [made.fileno()])
"""


class NoNamespaces(Exception):
    """This process may not create network namespaces, or a program for that is missing."""


class Namespace(AbstractContextManager["Namespace"]):
    """
    A network namespace, which lasts as long as a process in it, and a user namespace in which this process is root.

    @param inside: a command that runs another command in an existing user namespace; empty to create one.
    @raise NoNamespaces: it can't be created.
    """

    def __init__(self, inside: Sequence[str] = ()) -> None:
        kind = ["--net"] if inside else ["--user", "--map-root-user", "--net"]
        self._asked, answers = socket.socketpair()
        with answers:
            self.process = subprocess.Popen(
                [*inside, "unshare", *kind, sys.executable, "-c", SEND_SOCKETS, str(answers.fileno())],
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
        """Run a command in the namespace."""
        completed = subprocess.run([*self.inside, *command], capture_output=True, timeout=PATIENCE, check=False)
        if completed.returncode:
            raise NoNamespaces(completed.stderr)

    def socket(self) -> socket.socket:
        """Return a new socket in the namespace, which can be used outside of it."""
        self._asked.send(b".")
        _, descriptors, _, _ = socket.recv_fds(self._asked, 1, 1)
        if not descriptors:
            raise NoNamespaces
        return socket.socket(fileno=descriptors[0])


class Network(AbstractContextManager["Network"], ABC):
    """
    Machines by their names, each with an address.

    @ivar port: a port that is free on all of them.
    """

    port: int

    def __init__(self, addresses: dict[str, str]) -> None:
        self.addresses = addresses

    def __exit__(self, *_: object) -> None:
        """Remove the network."""

    @abstractmethod
    def inside(self, name: str) -> Sequence[str]:
        """Return a command that runs another command on a machine."""

    @abstractmethod
    def socket(self, name: str) -> socket.socket:
        """Return a new socket on a machine."""

    def dial(self, here: str, there: str, receive_buffer: int | None = None) -> Wire:
        """Connect from one machine to another."""
        return Wire(self.addresses[there], self.port, receive_buffer, self.socket(here))


class Namespaces(Network):
    """
    Machines that are network namespaces. The first one is also the switch.

    @raise NoNamespaces: they can't be created.
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
        """Disconnect a machine from the network, so that its peers get no FIN and no reset."""
        self._switch.run("ip", "link", "set", name, "down")


class Loopback(Network):
    """Machines that are addresses of loopback."""

    def __init__(self, addresses: dict[str, str]) -> None:
        # HAProxy connects from 127.0.0.1.
        super().__init__({name: f"127.0.0.{number}" for number, name in enumerate(addresses, 1)})
        self.port = free_port()

    def inside(self, name: str) -> Sequence[str]:
        return []

    def socket(self, name: str) -> socket.socket:
        made = socket.socket()
        made.bind((self.addresses[name], 0))
        return made


def network(addresses: dict[str, str]) -> Network:
    """Return a network of namespaces if they can be created, otherwise one of loopback addresses."""
    try:
        return Namespaces(addresses)
    except NoNamespaces:
        return Loopback(addresses)
