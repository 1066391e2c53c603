"""The server's options, as twistd parses them."""

from __future__ import annotations

import os
import signal
import sys

from twisted.python import usage

from echoreply import __version__
from echoreply.observe.log_format import LogFormat
from echoreply.scripts import profiles
from echoreply.server.engine import resolve
from echoreply.server.rules import replies_of, script_of
from echoreply.server.settings import DEFAULT_PORT, Engine, Settings

_DEFAULTS = Settings()

HELP = f"""\
Usage: twistd [options of twistd] echoreply [options]

A reply server for TCP, TLS and UDP, for testing whatever lies between two
machines. With twistd's -n it stays in the foreground.

Where it listens:
  -p, --port=PORT       TCP [{DEFAULT_PORT}, if nothing else is given]; 0 is a free one
  --tls=PORT  --udp=PORT
  -l, --listen=ENDPOINT Twisted's, such as unix:/run/echoreply.sock; repeatable
  -i, --interface=ADDR  of these ports [all, IPv6 and IPv4]
  --cert=FILE  --key=FILE  --client-ca=FILE  --alpn=NAME   for --tls, in PEM
  --workers=N|auto      processes that share the port [{_DEFAULTS.workers}]
Who may come:
  --allow=CIDR  --deny=CIDR  --trust-proxy=CIDR   repeatable
  --max-connections=N  --max-per-host=N  --udp-rate=N   0 is no limit
  --idle-timeout=SECONDS [{_DEFAULTS.idle_timeout:g}]  --drain=SECONDS on a stop [{_DEFAULTS.drain:g}]
What it answers:
  --prefix=TEXT         before each message [{os.fsdecode(_DEFAULTS.prefix)}]
  --transform=none|upper|lower   of the message
  --script=FILE  --profile=NAME  --check   other replies
  --list-profiles  --show-profile=NAME
  --framing=auto|line|read  --pause=SECONDS [{_DEFAULTS.pause:g}]  --max-message=BYTES [{_DEFAULTS.max_message}]
How it runs:
  --engine=auto|twisted|uvloop  --help  --version
  --log-messages=N a second [{_DEFAULTS.log_messages}]  --log-format=text|json
  --web=ENDPOINT        a live page, /metrics, /healthz, /readyz

  twistd -n echoreply --port 8088 --udp 8088
  twistd -n echoreply --tls 8443 --cert cert.pem --key key.pem
  twistd -n echoreply --profile echo --port 7 --udp 7

All of it: man twistd-echoreply, and README.md.
"""


class Options(usage.Options):
    """
    The options of the server.

    @ivar settings: what they say, once they are parsed.
    @ivar engine: which engine that is, if C{AUTO} was said.
    """

    optParameters = [  # noqa: RUF012  # as Twisted declares it
        ["port", "p", None, f"TCP port; 0 takes a free one, and the log says which [default: {DEFAULT_PORT}, if nothing"
         " else is listened on]"],
        ["tls", None, None, "TCP port for TLS"],
        ["udp", None, None, "UDP port"],
        ["interface", "i", None, "the IP address to bind these ports to [default: all, IPv6 and IPv4]"],
        ["cert", None, None, "for --tls: the file of its certificate, in PEM [default: one made for this run]"],
        ["key", None, None, "for --tls: the file of the certificate's key [default: the same file]"],
        ["client-ca", None, None, "for --tls: the file of the CAs, one of which must have signed a client's"
         " certificate"],
        ["prefix", None, os.fsdecode(_DEFAULTS.prefix), "what goes before each reply; may be empty"],
        ["transform", None, _DEFAULTS.transform.value, "of a message's ASCII letters: none, upper or lower"],
        ["script", None, None, "the file of a reply script: what is sent on connect, and what each message gets"],
        ["profile", None, None, "answer as another server does, by a script that comes with this one"],
        ["framing", None, None, "where a message ends: line, at LF; read, where a read ends; auto, at LF, and before a"
         " client's first LF also at a silence [default: what the script says, else auto]"],
        ["pause", None, _DEFAULTS.pause, "seconds of silence that end a message under --framing auto"],
        ["max-message", None, _DEFAULTS.max_message, "bytes a message may have; one more ends the connection"],
        ["log-messages", None, _DEFAULTS.log_messages, "messages logged a second, the rest are counted; 0: none"],
        ["log-format", None, _DEFAULTS.log_format.value, "how the log is written: text, for people; json, an object a"
         " line"],
        ["idle-timeout", None, _DEFAULTS.idle_timeout, "seconds after which a client is left that completes no message"
         " and takes no byte; 0: never"],
        ["max-connections", None, _DEFAULTS.max_connections, "connections at once; 0: as many as open files allow"],
        ["max-per-host", None, _DEFAULTS.max_per_host, "connections at once from one IP address; 0: any number"],
        ["udp-rate", None, _DEFAULTS.udp_rate, "datagrams a second from one IP address that are answered"],
        ["engine", None, _DEFAULTS.engine.value, "what moves the bytes: twisted, its reactor; uvloop, faster;"
         " auto, uvloop where it is installed and twistd has no --reactor"],
        ["drain", None, _DEFAULTS.drain, "seconds that clients get to take their replies when the server stops"],
        ["web", None, None, "a Twisted server endpoint for a live page, Prometheus's metrics and health checks"],
        ["workers", None, _DEFAULTS.workers, "server processes that share the port; auto: one a core"],
    ]  # fmt: skip
    optFlags = [  # noqa: RUF012
        ["check", None, "tell what the script would do with each message on stdin, and exit"],
    ]
    settings: Settings
    engine: Engine

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.update({"listen": [], "alpn": [], "allow": [], "deny": [], "trust-proxy": []})

    def getUsage(self, width: int | None = None) -> str:
        """Give the help, which fits a screen."""
        return HELP

    def opt_listen(self, endpoint: str) -> None:
        """a Twisted server endpoint to listen on, too, such as unix:/run/echoreply.sock; repeatable"""
        self["listen"].append(endpoint)

    opt_l = opt_listen

    def opt_alpn(self, name: str) -> None:
        """for --tls: a protocol to agree on by ALPN; repeatable, the best first"""
        self["alpn"].append(name)

    def opt_allow(self, cidr: str) -> None:
        """a network whose hosts may come, and no others; repeatable"""
        self["allow"].append(cidr)

    def opt_deny(self, cidr: str) -> None:
        """a network whose hosts may not come, also if allowed; repeatable"""
        self["deny"].append(cidr)

    def opt_trust_proxy(self, cidr: str) -> None:
        """a network whose proxies haproxy: endpoints believe; repeatable [default: loopback and private ones]"""
        self["trust-proxy"].append(cidr)

    def opt_list_profiles(self) -> None:
        """Display what there is for --profile, and exit."""
        for name in profiles.names():
            print(f"{name:<12} {profiles.summary(name)}")
        sys.exit(0)

    def opt_show_profile(self, name: str) -> None:
        """Display the script that a profile is, and exit."""
        try:
            print(profiles.text_of(name), end="")
        except ValueError as error:
            raise usage.UsageError(f"--show-profile {error}") from None
        sys.exit(0)

    def opt_version(self) -> None:
        """Display the version and exit."""
        print(f"echoreply {__version__}")
        sys.exit(0)

    def parseArgs(self, *arguments: str) -> None:
        """Refuse arguments: there are options only."""
        if arguments:
            raise usage.UsageError(f"echoreply takes options and nothing else, not {arguments[0]!r}")

    def postOptions(self) -> None:
        """Check all values, and make the settings of them."""
        try:
            given = {name.replace("-", "_"): value for name, value in self.items()}
            given["trust_proxy"] = given["trust_proxy"] or _DEFAULTS.trust_proxy
            self.settings = Settings.parse(given)
            self.engine = resolve(self.settings.engine)
        except ValueError as error:
            raise usage.UsageError(str(error)) from None
        if self.settings.log_format is LogFormat.JSON and self.parent and self.parent.get("logger"):
            raise usage.UsageError("--log-format json and twistd's --logger are one or the other")
        if self["check"]:
            self._check()

    def _check(self) -> None:
        from echoreply.scripts.dry_run import dry_run  # as in server.rules

        try:
            script = script_of(self.settings)
        except ValueError as error:
            sys.exit(str(error))
        status = 0
        try:
            for outcome in dry_run(script, replies_of(self.settings), self.settings.max_message, sys.stdin.buffer):
                print(outcome.text, flush=True)
                status = status or outcome.fault
        except KeyboardInterrupt:
            status = 128 + signal.SIGINT
        except OSError as error:
            sys.exit(f"--check: {error.strerror}")
        sys.exit(status)
