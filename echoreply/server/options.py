"""The server's command line: twistd's option parser, made from the declared options, combined with C{--config}."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from getopt import GetoptError
from typing import ClassVar, NoReturn, TypeVar

from twisted.python import usage

from echoreply import __version__
from echoreply.core.option import Option
from echoreply.core.parsing import printable
from echoreply.net.endpoints import IServerReactor
from echoreply.net.errors import CannotStart
from echoreply.net.files import check_readable
from echoreply.scripts import profiles
from echoreply.server.bindings import check_endpoints
from echoreply.server.config_file import ConfigFile, read_config
from echoreply.server.engine import resolve
from echoreply.server.help import Group, help_text
from echoreply.server.reply_rules import replies_of, script_of
from echoreply.server.settings import Engine, LogFormat, OptionError, Settings

ACTIONS = (
    Option(
        name="config",
        metavar="FILE",
        group=Group.RUNNING,
        help="read options from a TOML file; the command line wins",
    ),
    Option(name="check", group=Group.INFORMATION, help="what the script does with each message on stdin"),
    Option(name="list-profiles", group=Group.INFORMATION, help="the names that --profile takes"),
    Option(name="show-profile", metavar="NAME", group=Group.INFORMATION, help="the reply script of a profile"),
    Option(name="help", group=Group.INFORMATION, help="this help"),
    Option(name="version", group=Group.INFORMATION, help="the version"),
)
"""The options that are not settings."""

OptionsT = TypeVar("OptionsT", bound="type[Options]")


def takes(options: Sequence[Option]) -> Callable[[OptionsT], OptionsT]:
    """
    Return a class decorator that adds options to a parser of twistd, and to its help.

    An option without a method C{opt_...} stores its text; a repeatable one stores a list of texts, a flag stores 1.
    """

    def decorate(cls: OptionsT) -> OptionsT:
        parameters, flags, files, repeatables = [], [], {}, []
        for option in options:
            if option.metavar == "FILE":
                files[option.name] = usage.CompleteFiles()
            if method := getattr(cls, f"opt_{option.key}", None):
                method.__doc__ = option.help
            elif not option.metavar:
                flags.append([option.name, option.short or None, option.help])
            elif option.repeatable:
                repeatables.append(option.name)
                _take_repeatable(cls, option)
            else:
                parameters.append([option.name, option.short or None, None, option.help])
        cls.optParameters = parameters
        cls.optFlags = flags
        cls.compData = usage.Completions(optActions=files, multiUse=repeatables)
        cls.declared = (*cls.declared, *options)
        return cls

    return decorate


def _take_repeatable(cls: type[Options], option: Option) -> None:
    def take(self: Options, text: str) -> None:
        self[option.name] = [*(self[option.name] or ()), text]

    take.__doc__ = option.help
    setattr(cls, f"opt_{option.key}", take)
    if option.short:
        setattr(cls, f"opt_{option.short}", take)


@takes((*Settings.declared(), *ACTIONS))
class Options(usage.Options):
    """
    The options of the server, as twistd parses them.

    @cvar declared: all options.
    @cvar settings_type: the class of the settings that they declare.
    @ivar settings: the settings, once the options are parsed.
    @ivar engine: the I/O engine that the settings select.
    """

    declared: ClassVar[tuple[Option, ...]] = ()
    settings_type: ClassVar[type[Settings]] = Settings
    optParameters: ClassVar[Sequence[Sequence[object]]]
    optFlags: ClassVar[Sequence[Sequence[object]]]
    compData: ClassVar[usage.Completions]
    settings: Settings
    engine: Engine

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._config: ConfigFile | None = None
        for option in self.declared:
            self.setdefault(option.name, None)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        try:
            super().parseOptions(options)  # type: ignore[no-untyped-call]
        except usage.UsageError as error:
            text = _message(error)
            if self.parent is None or self.parent.subCommand is None:
                raise usage.UsageError(text) from None
            # twistd would write the help to standard output first.
            sys.exit(self._said(text))

    def __str__(self) -> str:
        return help_text(self.declared)

    def getUsage(self, width: int | None = None) -> str:
        return str(self)

    def opt_help(self) -> None:
        _print_and_exit(str(self))

    def opt_list_profiles(self) -> None:
        _print_and_exit("".join(f"{name:<12} {profiles.summary(name)}\n" for name in profiles.names()))

    def opt_show_profile(self, name: str) -> None:
        try:
            text = profiles.text_of(name)
        except ValueError as error:
            raise usage.UsageError(f"--show-profile {error}") from None
        _print_and_exit(text)

    def opt_version(self) -> None:
        _print_and_exit(f"echoreply {__version__}\n")

    def parseArgs(self, *arguments: str) -> None:
        if arguments:
            raise usage.UsageError(f"takes options and nothing else, not {arguments[0]!r}")

    def postOptions(self) -> None:
        """Set the settings from the command line and the file of C{--config}."""
        try:
            if self["config"] == "":
                raise OptionError("--config takes a file, not ''", "config")
            if self["config"]:
                self._config = read_config(self["config"], self.settings_type.declared())
            self._settle()
        except OptionError as error:
            raise usage.UsageError(self._located(error)) from None
        except ValueError as error:
            raise usage.UsageError(str(error)) from None
        if self["check"]:
            self._check()

    def check_start(self, reactor: IServerReactor) -> None:
        """
        Check the files and the endpoint descriptions that the settings name, before anything is opened.

        @raise CannotStart: a file can't be read, or a description is wrong. If it is set in the file of C{--config},
            the text includes the place.
        """
        try:
            for each in self.settings_type.declared():
                if each.metavar == "FILE" and (path := getattr(self.settings, each.key)):
                    _check_file(each, path)
            check_endpoints(reactor, self.settings)
        except OptionError as error:
            raise CannotStart(self._located(error)) from None

    def _settle(self) -> None:
        values = dict(self._config.values) if self._config else {}
        values |= {each.name: self[each.name] for each in self.settings_type.declared() if self._has(each.name)}
        self.settings = self.settings_type.parse({name.replace("-", "_"): value for name, value in values.items()})
        self.engine = resolve(self.settings.engine)
        if self.settings.log_format is LogFormat.JSON and self.parent and self.parent.get("logger"):
            raise OptionError("--log-format json and twistd's --logger are one or the other", "log-format")

    def _has(self, name: str) -> bool:
        """Return whether an option is given on the command line. Twisted sets flags that are not given to 0."""
        return self[name] not in (None, 0)

    def _located(self, error: OptionError) -> str:
        """Return the text of an error. If one of its options is set in the file, it includes the place and the key."""
        text, config = str(error), self._config
        in_file = [name for name in error.options if config and name in config.values and not self._has(name)]
        if not config or not in_file:
            return text
        place, subject = config.at(in_file[0]), error.options[0]
        if in_file[0] != subject or not text.startswith(f"--{subject}"):
            return f"{place}: {in_file[0]}: {text}"
        for name in in_file:
            text = text.replace(f"--{name}", name)
        return f"{place}: {text}"

    def _said(self, text: str) -> str:
        """Return an error message with the name of the program, if twistd runs it."""
        return text if self.parent is None or not self.parent.subCommand else f"twistd {self.parent.subCommand}: {text}"

    def _check(self) -> None:
        from echoreply.scripts.dry_run import dry_run  # lazily: see server.reply_rules

        try:
            script = script_of(self.settings)
        except ValueError as error:
            sys.exit(self._said(str(error)))
        status = 0
        try:
            for outcome in dry_run(script, replies_of(self.settings), self.settings.max_message, sys.stdin.buffer):
                print(outcome.text, flush=True)
                status = status or outcome.fault
        except KeyboardInterrupt:
            status = 128 + signal.SIGINT
        except OSError as error:
            sys.exit(self._said(f"--check: {error.strerror}"))
        sys.exit(status)


def _check_file(option: Option, path: str) -> None:
    try:
        check_readable(path)
    except ValueError as error:
        raise OptionError(f"--{option.name} {error}", option.name) from None


def _message(error: usage.UsageError) -> str:
    """Return the text of an error, reworded if it is from Python's getopt."""
    cause = error.__context__
    if not isinstance(cause, GetoptError) or not cause.opt:
        return str(error)
    long = f"--{cause.opt}"
    name = printable(long if long in cause.msg else f"-{cause.opt}")
    said = {
        "requires argument": f"{name} takes a value, and none is given",
        "must not have an argument": f"{name} takes no value",
        "not recognized": f"unknown option {name}; see --help",
        "not a unique prefix": f"{name} may be several options; see --help",
    }
    return next((text for ending, text in said.items() if cause.msg.endswith(ending)), cause.msg)


def _print_and_exit(text: str) -> NoReturn:
    """Print a text and exit: with status 1 if printing fails, but 0 if a reader such as C{head} has closed the pipe."""
    try:
        print(text, end="", flush=True)
    except OSError as error:
        # Otherwise Python would report the error again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            sys.exit(f"twistd echoreply: cannot write to standard output: {error.strerror}")
    sys.exit(0)
