"""The settings: what they are, their defaults, and how a file and the environment change them.

A value of the wrong kind stops the start with its file and key; a key nobody knows is only a
notice, so that an older version can read a newer file.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

import msgspec

from omni_tui.config.paths import find_paths
from omni_tui.config.providers import ProviderSettings
from omni_tui.core.errors import ConfigError
from omni_tui.core.safe_text import safe_line
from omni_tui.llm.backends import BACKENDS, AcpAgent
from omni_tui.llm.model_info import ModelInfo
from omni_tui.llm.providers.base import ThinkingLevel
from omni_tui.llm.providers.quirks import Quirks
from omni_tui.llm.providers.table import ALIASES, ENDPOINTS

ApprovalMode: TypeAlias = Literal["ask", "auto-edit", "plan", "yolo"]

PREFIX = "OMNI_TUI_"
# Read in paths.py, by the catalogue, and where programs that own their loop are looked for.
_NOT_SETTINGS = {"HOME", "CONFIG", "MODELS_URL"} | {
    backend.program_env.removeprefix(PREFIX) for backend in BACKENDS.values()
}
_KEYS = ("api_key", "key", "token")


class Ui(msgspec.Struct, frozen=True, kw_only=True):
    """How the terminal application looks."""

    tree_width: Annotated[int, msgspec.Meta(ge=16, le=80)] = 30
    """Columns of the tree pane, 16 to 80."""
    ascii: bool = False
    """Draw marks and lines with ASCII characters only."""


class ToolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How far a model may go alone."""

    approval_mode: ApprovalMode = "ask"
    """`ask` before writing and shell, `auto-edit` (files without asking), `plan` (read only),
    `yolo` (never ask)."""
    max_steps: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 25
    """Requests to the model in one run before it stops, 1 to 1000."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of conversations that get too long for their model."""

    strategy: Literal["summarize", "truncate", "off"] = "summarize"
    """`summarize` has a model sum up the beginning, `truncate` leaves out old tool results and
    messages, `off` sends everything."""
    threshold: Annotated[int, msgspec.Meta(ge=1000)] = 100_000
    """Tokens from which that is done, at least 1000; never more than nine tenths of the window."""
    model: str | None = None
    """`provider/model` that writes summaries; `None` takes the model of the session."""


class Title(msgspec.Struct, frozen=True, kw_only=True):
    """How sessions find their titles."""

    strategy: Literal["heuristic", "model", "off"] = "heuristic"
    """`heuristic` takes the first words that were said, `model` asks a model, `off` finds none."""
    model: str | None = None
    """`provider/model` that is asked; `None` takes the model of the session."""


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """Rules by tool and argument, as `bash(make test)`; the most specific one wins."""

    allow: tuple[str, ...] = ()
    """Run without asking."""
    ask: tuple[str, ...] = ()
    """Ask every time."""
    deny: tuple[str, ...] = ()
    """Never run; stronger than any `allow`."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set; each field works without being set."""

    model: str | None = None
    """`provider/model` of new sessions; `None` takes the first provider that has a key."""
    fallbacks: tuple[str, ...] = ()
    """Models to ask in turn when one gives no answer at all."""
    thinking: ThinkingLevel | None = None
    """How much models think before they answer, where a session does not say otherwise; `None`
    leaves it to the model."""
    theme: str = "omni-dark"
    """Name of a shipped theme or of one in the `themes` folder."""
    system: str | None = None
    """System prompt of new sessions; `None` takes the built-in one."""
    ui: Ui = Ui()
    """How the terminal application looks."""
    tools: ToolSettings = ToolSettings()
    """How far a model may go alone."""
    context: Context = Context()
    """What becomes of conversations that get too long for their model."""
    title: Title = Title()
    """How sessions find their titles."""
    permissions: Permissions = Permissions()
    """Which tools run, ask, or never run."""
    keymap: dict[str, str | list[str]] = {}
    """Action id to key or keys; `"none"` takes the key away."""
    providers: dict[str, ProviderSettings] = {}
    """Endpoints of your own and changes to known ones, by name."""
    acp: dict[str, AcpAgent] = {}
    """Agents that speak the Agent Client Protocol, by the name after `acp/`."""
    models: dict[str, dict[str, Any]] = {}
    """What you know better of a model: `provider/name` to fields of `ModelInfo`."""
    notices: tuple[str, ...] = ()
    """What was ignored while reading, for a person to see; safe to show. Not a setting."""


def load_settings(path: Path | None = None, env: Mapping[str, str] = os.environ) -> Settings:
    """Read the file (`path`, else the one of `find_paths`), then let the environment override it.

    A variable is named `OMNI_TUI_MODEL` or `OMNI_TUI_<SECTION>__<KEY>`; lists and tables are
    written as TOML values.

    Raises:
        ConfigError: the file cannot be read or is not TOML, a file that was asked for is missing,
            or a value is of the wrong kind.
    """
    notices: list[str] = []
    asked_for = path is not None or bool(env.get("OMNI_TUI_CONFIG"))
    file = path or find_paths(env).config_file
    table = read_toml(file, missing_ok=not asked_for)
    values = _Reader(str(file), notices).read(Settings, table)
    for variable, keys, raw in _variables(env):
        override: dict[str, Any] = {keys[-1]: raw}
        for key in reversed(keys[:-1]):
            override = {key: override}
        reader = _Reader(f"environment variable {variable}", notices, from_text=True)
        _merge(values, reader.read(Settings, override))
    notices.extend(_exposed(file, values))
    _check_providers(str(file), values)
    _check_acp(str(file), values)
    return msgspec.convert({**values, "notices": notices}, Settings)


def read_toml(file: Path, *, missing_ok: bool = False) -> dict[str, Any]:
    """Parse a TOML file; `{}` for a missing one when `missing_ok`.

    Raises:
        ConfigError: it cannot be read or parsed; names the file, and the line of a syntax error.
    """
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        if missing_ok:
            return {}
        raise ConfigError(f"{file}: no such file", file=str(file)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 at byte {error.start}", file=str(file)) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"{file}: {reason.lower()}", file=str(file)) from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at (?:line (\d+), column \d+|end of document)\)", str(error))
        line = int(found[1]) if found and found[1] else len(text.splitlines())
        reason = str(error)[: found.start()].strip() if found else str(error)
        message = f"{file}, line {line}: {safe_line(reason)}"
        raise ConfigError(message, file=str(file), line=line) from error


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name a person most likely meant, if any is close."""
    return next(iter(get_close_matches(name, list(known), n=1)), None)


class _Reader:
    """Checks a table against a struct and keeps what is right."""

    def __init__(self, source: str, notices: list[str], *, from_text: bool = False) -> None:
        self._source = source
        self._notices = notices
        self._from_text = from_text

    def read(
        self, struct: type[msgspec.Struct], table: Mapping[str, Any], at: str = ""
    ) -> dict[str, Any]:
        """The known keys of `table`, each of its type. Unknown keys become notices."""
        known = {f.name: f.type for f in msgspec.structs.fields(struct) if f.name != "notices"}
        values: dict[str, Any] = {}
        for key, value in table.items():
            name = f"{at}{key}"
            if key not in known:
                self._ignore(name, nearest(key, known))
            elif name == "keymap":
                values[key] = self._keymap(value)
            elif name == "providers":
                values[key] = {
                    ALIASES.get(provider, provider): self._provider(f"{name}.{provider}", entry)
                    for provider, entry in self._table(name, value).items()
                }
            elif name == "acp":
                values[key] = {
                    agent: self.read(AcpAgent, self._table(f"acp.{agent}", entry), f"acp.{agent}.")
                    for agent, entry in self._table(name, value).items()
                }
            elif name == "models":
                values[key] = {
                    model: self._model(model, entry)
                    for model, entry in self._table(name, value).items()
                }
            elif isinstance(known[key], type) and issubclass(known[key], msgspec.Struct):
                values[key] = self.read(known[key], self._table(name, value), f"{name}.")
            else:
                values[key] = self._value(name, value, known[key])
        return values

    def _provider(self, name: str, value: Any) -> dict[str, Any]:
        table = dict(self._table(name, value))
        for key in _KEYS:
            if key in table:
                raise self._error(
                    f"{name}.{key}", "a key has no place here; name its variable in api_key_env"
                )
        quirks = table.pop("quirks", None)
        values = self.read(ProviderSettings, table, f"{name}.")
        if quirks is not None:
            at = f"{name}.quirks"
            values["quirks"] = self.read(Quirks, self._table(at, quirks), f"{at}.")
        return values

    def _model(self, model: str, value: Any) -> dict[str, Any]:
        name = f'models."{model}"'
        provider, _, rest = model.partition("/")
        if not (provider and rest):
            raise self._error(name, 'expected [models."provider/model"]')
        table = dict(self._table(name, value))
        if "id" in table:
            raise self._error(f"{name}.id", "the id is the name of the table")
        return self.read(ModelInfo, table, f"{name}.")

    def _error(self, key: str, problem: str) -> ConfigError:
        message = f"{self._source}: {safe_line(key)}: {problem}"
        return ConfigError(message, source=self._source, key=key)

    def _value(self, name: str, value: Any, kind: Any) -> Any:
        containers = get_origin(kind) in (tuple, dict)
        if self._from_text and containers and isinstance(value, str):
            value = _toml_value(value)
        try:
            return msgspec.convert(value, kind, strict=not self._from_text)
        except msgspec.ValidationError as error:
            expected = _expected(kind, str(error))
        is_private = name.startswith(("providers.", "acp."))
        shown = "" if is_private else f" is {safe_line(_show(value), 80)}"
        raise ConfigError(
            f"{self._source}: {safe_line(name)}{shown}: {expected}",
            source=self._source,
            key=name,
        )

    def _table(self, name: str, value: Any) -> Mapping[str, Any]:
        if self._from_text and isinstance(value, str):
            value = _toml_value(value)
        if not isinstance(value, dict):
            raise self._error(name, "expected a table")
        return value

    def _keymap(self, value: Any) -> dict[str, Any]:
        """Action ids as one level: `app.quit = …` without quotes is a nested table in TOML."""
        flat: dict[str, Any] = {}

        def add(prefix: str, table: Mapping[str, Any]) -> None:
            for key, entry in table.items():
                if isinstance(entry, dict):
                    add(f"{prefix}{key}.", entry)
                else:
                    name = f"{prefix}{key}"
                    flat[name] = self._value(f"keymap.{name}", entry, str | list[str])

        add("", self._table("keymap", value))
        return flat

    def _ignore(self, name: str, near: str | None) -> None:
        instead = f"; did you mean {near}?" if near else ""
        self._notices.append(f"{self._source}: unknown key {safe_line(name)} ignored{instead}")


def _variables(env: Mapping[str, str]) -> Iterable[tuple[str, list[str], str]]:
    for variable, raw in sorted(env.items()):
        name = variable.removeprefix(PREFIX)
        if name != variable and name and name not in _NOT_SETTINGS:
            yield variable, name.lower().split("__"), raw


def _toml_value(raw: str) -> Any:
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return raw


def _show(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _expected(kind: Any, reason: str) -> str:
    for each in (kind, *get_args(kind)):
        if get_origin(each) is Literal and (each is kind or "enum" in reason):
            return "expected one of " + ", ".join(get_args(each))
    if "regex" in reason:
        return "expected http(s)://HOST" if "http" in reason else "expected a variable's name"
    reason = reason.split(" - at ")[0].replace("`", "")
    return reason[:1].lower() + reason[1:]


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _check_providers(file: str, values: Mapping[str, Any]) -> None:
    """What can only be said of file and environment together."""
    for name, provider in values.get("providers", {}).items():
        key, problem = f"providers.{safe_line(name)}", ""
        if not name or "/" in name:
            problem = "a provider's name has no slash"
        elif name == "demo":
            problem = "demo is the model that needs no provider; choose another name"
        elif name not in ENDPOINTS and "base_url" not in provider:
            key, problem = f"{key}.base_url", "is missing"
        if problem:
            raise ConfigError(f"{file}: {key}: {problem}", file=file, key=key)


def _check_acp(file: str, values: Mapping[str, Any]) -> None:
    """An agent needs a command, which file or environment may give."""
    for name, agent in values.get("acp", {}).items():
        if not agent.get("command"):
            key = f"acp.{safe_line(name)}.command"
            raise ConfigError(f"{file}: {key}: is missing", file=file, key=key)


def _exposed(file: Path, values: Mapping[str, Any]) -> Iterable[str]:
    if not file.is_file() or not file.stat().st_mode & 0o077:
        return
    if any(each.get("headers") for each in values.get("providers", {}).values()):
        yield f"{file}: headers may hold a key and others can read the file; chmod 600 it"
    given = [
        value for each in values.get("acp", {}).values() for value in each.get("env", {}).values()
    ]
    if any(not value.startswith("$") for value in given):
        yield f"{file}: env may hold a key and others can read the file; chmod 600 it, or say $NAME"
