"""
Finds an account's secrets: in the arguments of ``open_venue``, in environment variables, or in a file that only its
owner can read. Each is stripped. What they must look like is the venue plugin's to say.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perpkit.core.errors import CredentialsError
from perpkit.core.transport.redact import Secret

FILE: str = "credentials_file"
"""The setting that names the file, on every venue."""

_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Found:
    """
    What one source gave.

    Attributes:
        values: Stripped texts by the setting's name; never shown.
        where: The source in words, for messages.
    """

    values: Mapping[str, str] = field(repr=False)
    where: str


@dataclass(frozen=True, slots=True)
class SecretNames:
    """
    What a venue's secrets are called.

    Attributes:
        variables: Each setting, and the environment variable that stands for it; ``credentials_file`` among them. The
            file holds the others, one ``name = value`` a line, by either name.
        keys: The settings that make a source one: whoever gives none of them has given no credentials.
    """

    venue: str
    variables: Mapping[str, str]
    keys: Collection[str]

    def find(self, settings: Mapping[str, Any], environ: Mapping[str, str]) -> Found | None:
        """
        Return what the first source gives that holds a key: arguments, else environment, else the file either names.

        Sources are not mixed, so that a key from one place is never used with an account from another. None where
        nothing is given at all.

        Raises:
            CredentialsError: A value that is no text or empty, a file that can't be read or that others can read, or
                something given and no key with it.
        """
        arguments = {name: settings[name] for name in self.variables if settings.get(name) is not None}
        variables = {
            name: environ[variable] for name, variable in self.variables.items() if environ.get(variable, "").strip()
        }
        for source, where in ((arguments, "argument"), (variables, "environment variable")):
            if any(name in source for name in self.keys):
                return self._stripped(source, where)
        path = arguments.get(FILE) or variables.get(FILE)
        if path is not None:
            return self._stripped(self._read_file(self._path(str(path))), f"file {path}")
        if arguments or variables:
            given = " and ".join(arguments or variables)
            msg = f"{given} alone opens nothing: add {' or '.join(self.keys)} ({self.spelt(*self.keys)})"
            raise CredentialsError(msg, venue=self.venue)
        return None

    def spelt(self, *names: str) -> str:
        """Return the environment variables of some settings, for a message."""
        return " or ".join(self.variables[name] for name in names)

    def _stripped(self, source: Mapping[str, Any], where: str) -> Found:
        return Found({name: self._text(name, value, where) for name, value in source.items() if name != FILE}, where)

    def _text(self, name: str, value: Any, where: str) -> str:
        if isinstance(value, Secret):
            value = value.reveal()
        elif hasattr(value, "get_secret_value"):
            value = value.get_secret_value()
        if not isinstance(value, str):
            raise CredentialsError(f"{where}: {name} must be a string, not {type(value).__name__}", venue=self.venue)
        # A pasted key ends in a line break more often than not, and shells leave quotes behind.
        text = value.strip()
        if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
            text = text[1:-1].strip()
        if not text:
            raise CredentialsError(f"{where}: {name} is empty", venue=self.venue)
        return text

    def _path(self, text: str) -> Path:
        try:
            return Path(text).expanduser()
        except RuntimeError as exc:
            msg = f"can't read the credentials file {text}: nobody here has that home directory"
            raise CredentialsError(msg, venue=self.venue) from exc

    def _read_file(self, path: Path) -> dict[str, str]:
        try:
            info = path.stat()
            if stat.S_ISDIR(info.st_mode):
                raise CredentialsError(f"the credentials file {path} is a directory", venue=self.venue)
            if info.st_mode & _OPEN_TO_OTHERS:
                msg = f"{path} can be read by others (mode {stat.S_IMODE(info.st_mode):o}); run: chmod 600 {path}"
                raise CredentialsError(msg, venue=self.venue)
            # Some editors begin a file with a mark of its encoding.
            text = path.read_text(encoding="utf-8-sig")
        except OSError as exc:
            msg = f"can't read the credentials file {path}: {exc.strerror}"
            raise CredentialsError(msg, venue=self.venue) from exc
        except UnicodeDecodeError as exc:
            raise CredentialsError(f"the credentials file {path} is not UTF-8 text", venue=self.venue) from exc
        by_variable = {variable: name for name, variable in self.variables.items()}
        values: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), 1):
            stripped = line.strip().removeprefix("export ").strip()
            if not stripped or stripped.startswith("#"):
                continue
            key, equals, value = stripped.partition("=")
            name = by_variable.get(key.strip(), key.strip().lower())
            if not equals or name not in self.variables or name == FILE:
                known = ", ".join(each for each in self.variables if each != FILE)
                msg = f"{path} line {number} is not 'name = value' with one of {known}"
                raise CredentialsError(msg, venue=self.venue)
            values[name] = value
        return values
