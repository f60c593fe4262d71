"""Reading settings: precedence, errors that name the place, notices, and no secret in sight."""

import re
from pathlib import Path

import msgspec
import pytest

from omni_tui.config.providers import ProviderSettings
from omni_tui.config.settings import Settings, load_settings
from omni_tui.core.errors import ConfigError

EVERYTHING = """
model = "demo/chat"
fallbacks = ["demo/chat", "box/large"]
thinking = "high"
theme = "omni-light"
system = "Be brief."

[ui]
tree_width = 40
ascii = true

[tools]
approval_mode = "plan"
max_steps = 3

[context]
strategy = "truncate"
threshold = 20000
model = "box/small"

[title]
strategy = "model"
model = "box/small"

[permissions]
allow = ["bash(make test)"]
ask = ["write_file"]
deny = ["bash(rm)"]

[keymap]
"app.quit" = "ctrl+x"
"message.copy" = ["y", "Y"]

[providers.box]
base_url = "http://localhost:8080/v1"
api = "openai-responses"
api_key_env = "BOX_KEY"
headers = { "x-team" = "blue" }
extra_body = { "top_k" = 20 }
models = ["large", "small"]
silence = 120
quirks = { thinking = "effort", pdf = true }

[acp.helper]
command = ["helper", "--acp"]
env = { MODE = "fast" }

[models."box/large"]
context = 64000
inputs = ["text", "image"]
prices = { input = 1, output = 2.5 }
"""


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(text)
    file.chmod(0o600)
    return file


def fail(tmp_path: Path, text: str, env: dict[str, str] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_settings(write(tmp_path, text), env or {})
    return caught.value


def test_every_key_of_a_file_arrives(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, EVERYTHING), {})
    assert msgspec.to_builtins(settings) == {
        "model": "demo/chat",
        "fallbacks": ("demo/chat", "box/large"),
        "acp": {"helper": {"command": ("helper", "--acp"), "env": {"MODE": "fast"}}},
        "thinking": "high",
        "theme": "omni-light",
        "system": "Be brief.",
        "ui": {"tree_width": 40, "ascii": True},
        "tools": {"approval_mode": "plan", "max_steps": 3},
        "context": {"strategy": "truncate", "threshold": 20_000, "model": "box/small"},
        "title": {"strategy": "model", "model": "box/small"},
        "permissions": {
            "allow": ("bash(make test)",),
            "ask": ("write_file",),
            "deny": ("bash(rm)",),
        },
        "keymap": {"app.quit": "ctrl+x", "message.copy": ["y", "Y"]},
        "providers": {
            "box": {
                "base_url": "http://localhost:8080/v1",
                "api": "openai-responses",
                "api_key_env": "BOX_KEY",
                "headers": {"x-team": "blue"},
                "extra_body": {"top_k": 20},
                "models": ("large", "small"),
                "silence": 120.0,
                "quirks": {"thinking": "effort", "pdf": True},
            }
        },
        "models": {
            "box/large": {
                "context": 64000,
                "inputs": ("text", "image"),
                "prices": {"input": 1.0, "output": 2.5},
            }
        },
        "notices": (),
    }


def test_an_empty_file_and_no_file_are_the_defaults(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, ""), {}) == Settings()
    assert load_settings(env={"OMNI_TUI_HOME": str(tmp_path / "none")}) == Settings()


def test_the_environment_overrides_the_file_key_by_key(tmp_path: Path) -> None:
    env = {
        "OMNI_TUI_MODEL": "anthropic/claude-sonnet-4-6",
        "OMNI_TUI_THEME": "omni-contrast",
        "OMNI_TUI_UI__ASCII": "false",
        "OMNI_TUI_TOOLS__MAX_STEPS": "7",
        "OMNI_TUI_PERMISSIONS__ALLOW": '["read_file", "bash(ls)"]',
        "OMNI_TUI_PROVIDERS__BOX__API": "openai-chat",
        "OMNI_TUI_PROVIDERS__BOX__QUIRKS__PDF": "false",
        "OMNI_TUI_KEYMAP": '{"app.help" = "f12"}',
    }
    settings = load_settings(write(tmp_path, EVERYTHING), env)
    assert settings.model == "anthropic/claude-sonnet-4-6"
    assert settings.theme == "omni-contrast"
    assert (settings.ui.ascii, settings.ui.tree_width) == (False, 40)
    assert (settings.tools.max_steps, settings.tools.approval_mode) == (7, "plan")
    assert settings.permissions.allow == ("read_file", "bash(ls)")
    assert settings.permissions.deny == ("bash(rm)",)
    assert settings.providers["box"].api == "openai-chat"
    assert settings.providers["box"].quirks == {"thinking": "effort", "pdf": False}
    assert settings.providers["box"].base_url == "http://localhost:8080/v1"
    assert settings.keymap == {
        "app.quit": "ctrl+x",
        "message.copy": ["y", "Y"],
        "app.help": "f12",
    }


def test_a_text_setting_from_the_environment_is_taken_as_it_stands(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, ""), {"OMNI_TUI_SYSTEM": "7", "OMNI_TUI_MODEL": "1"})
    assert (settings.system, settings.model) == ("7", "1")


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("model = 5", "model", "is 5: expected str"),
        ('[ui]\ntree_width = "wide"', "ui.tree_width", 'is "wide": expected int'),
        ("[ui]\ntree_width = 4", "ui.tree_width", "is 4: expected int >= 16"),
        ("[ui]\nascii = 1", "ui.ascii", "is 1: expected bool"),
        ("ui = 3", "ui", "expected a table"),
        (
            '[tools]\napproval_mode = "always"',
            "tools.approval_mode",
            'is "always": expected one of ask, auto-edit, plan, yolo',
        ),
        ('[permissions]\nallow = "bash"', "permissions.allow", 'is "bash": expected array'),
        ("[permissions]\nallow = [1]", "permissions.allow", "expected str, got int"),
        ('[keymap]\n"app.quit" = 1', "keymap.app.quit", "is 1: expected"),
        ('[providers.a]\nbase_url = "localhost"', "providers.a.base_url", "http(s)://HOST"),
        ('[providers.a]\napi = "openai-chat"', "providers.a.base_url", "is missing"),
        (
            '[providers.openai]\napi = "chat"',
            "providers.openai.api",
            "expected one of anthropic, openai-responses, openai-chat",
        ),
        ("[providers.openai]\nextra_body = 1", "providers.openai.extra_body", "expected object"),
        ("[providers.openai]\nheaders = {a = 1}", "providers.openai.headers", "expected str"),
        ('[providers.openai]\nmodels = "x"', "providers.openai.models", "expected array"),
        ("[providers.openai]\nquirks = 1", "providers.openai.quirks", "expected a table"),
        (
            "[providers.openai.quirks]\npdf = 1",
            "providers.openai.quirks.pdf",
            "expected bool",
        ),
        (
            '[providers.openai.quirks]\nsystem_role = "user"',
            "providers.openai.quirks.system_role",
            "expected one of system, developer",
        ),
        ("[providers.demo]\nmodels = []", "providers.demo", "choose another name"),
        ('[providers."a/b"]\nbase_url = "http://x"', "providers.a/b", "has no slash"),
        ("[models.gpt]\ncontext = 1", 'models."gpt"', '[models."provider/model"]'),
        ("[models]\n'a/b' = 1", 'models."a/b"', "expected a table"),
        ("[models.'a/b']\nid = 'c/d'", 'models."a/b".id', "name of the table"),
        ("[models.'a/b']\ncontext = -1", 'models."a/b".context', "expected int >= 0"),
        ("[models.'a/b']\nmax_output = 'x'", 'models."a/b".max_output', "expected int"),
        ("[models.'a/b']\ninputs = ['smell']", 'models."a/b".inputs', "invalid enum value"),
        ("[models.'a/b']\ntools = 'yes'", 'models."a/b".tools', "expected bool"),
        ("[models.'a/b']\nprices = {input = 1}", 'models."a/b".prices', "field output"),
        (
            "[models.'a/b']\nprices = {input = 1, output = -2}",
            'models."a/b".prices',
            "expected float >= 0",
        ),
        ("[providers]\na = 1", "providers.a", "expected a table"),
    ],
)
def test_a_wrong_value_names_file_key_value_and_what_was_expected(
    tmp_path: Path, text: str, key: str, words: str
) -> None:
    error = fail(tmp_path, text)
    assert error.details["key"] == key
    message = str(error)
    assert message.startswith(f"{tmp_path / 'config.toml'}: {key}")
    assert words in message


def test_a_wrong_variable_is_named_instead_of_the_file(tmp_path: Path) -> None:
    error = fail(tmp_path, "", {"OMNI_TUI_TOOLS__MAX_STEPS": "many"})
    assert str(error) == (
        'environment variable OMNI_TUI_TOOLS__MAX_STEPS: tools.max_steps is "many": '
        "expected int, got str"
    )


@pytest.mark.parametrize(
    ("text", "line"), [('a = "x"\nb = \nc = 1\n', 2), ("[ui", 1), ("a = 1\na = 2\n", 2)]
)
def test_broken_toml_names_the_line(tmp_path: Path, text: str, line: int) -> None:
    error = fail(tmp_path, text)
    assert error.details["line"] == line
    assert f"config.toml, line {line}: " in str(error)


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    with pytest.raises(ConfigError, match=r"missing\.toml: no such file"):
        load_settings(missing, {})
    with pytest.raises(ConfigError, match="no such file"):
        load_settings(env={"OMNI_TUI_CONFIG": str(missing)})


def test_a_folder_or_bytes_in_place_of_the_file_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="directory"):
        load_settings(tmp_path, {})
    file = tmp_path / "config.toml"
    file.write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 5"):
        load_settings(file, {})


def test_unknown_keys_are_ignored_with_the_nearest_known_one(tmp_path: Path) -> None:
    text = (
        'modle = "x"\nzzz = 1\n[ui]\ntree_widht = 40\n[providers.a]\nbase_url = "http://x"\nap = 1'
    )
    settings = load_settings(write(tmp_path, text), {"OMNI_TUI_TOOLS__MAX_STEP": "3"})
    file = tmp_path / "config.toml"
    assert settings.notices == (
        f"{file}: unknown key modle ignored; did you mean model?",
        f"{file}: unknown key zzz ignored",
        f"{file}: unknown key ui.tree_widht ignored; did you mean tree_width?",
        f"{file}: unknown key providers.a.ap ignored; did you mean api?",
        "environment variable OMNI_TUI_TOOLS__MAX_STEP: unknown key tools.max_step ignored; "
        "did you mean max_steps?",
    )
    assert settings.tools.max_steps == Settings().tools.max_steps


def test_the_variables_of_the_places_are_no_settings(tmp_path: Path) -> None:
    env = {"OMNI_TUI_HOME": str(tmp_path), "OMNI_TUI_CONFIG": str(write(tmp_path, ""))}
    assert load_settings(env=env).notices == ()


def test_notices_and_errors_never_carry_control_characters(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, '"a\\u001b]52;c;eA\\u0007" = 1'), {})
    assert settings.notices
    error = fail(tmp_path, 'theme = ["\\u001b]0;x\\u0007"]')
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", settings.notices[0] + str(error))


def test_action_ids_may_be_written_without_quotes(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, '[keymap]\napp.quit = "ctrl+x"'), {})
    assert settings.keymap == {"app.quit": "ctrl+x"}


def test_a_key_written_where_a_variable_belongs_is_refused_and_never_shown(tmp_path: Path) -> None:
    secret = "sk-ant-0123456789"
    text = f'[providers.a]\nbase_url = "http://x"\napi_key_env = "{secret}"'
    error = fail(tmp_path, text)
    assert secret not in str(error) + repr(error) + repr(error.details)
    assert "variable's name" in str(error)


def test_a_key_in_a_table_of_its_own_name_is_refused_and_never_shown(tmp_path: Path) -> None:
    for name in ("api_key", "key", "token"):
        error = fail(tmp_path, f'[providers.openai]\n{name} = "sk-ant-0123456789"')
        assert "sk-ant" not in str(error) + repr(error) + repr(error.details)
        assert "name its variable in api_key_env" in str(error)


def test_an_unknown_field_of_a_model_is_a_notice(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "[models.'a/b']\ncontxt = 1"), {})
    assert settings.models == {"a/b": {}}
    assert "did you mean context?" in settings.notices[0]


def test_a_folder_one_works_in_sets_no_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    for folder in (project, project / ".omni", project / ".omni-tui", project / ".config"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text('[providers.openai]\nbase_url = "http://evil"')
    (project / ".env").write_text("OMNI_TUI_PROVIDERS__OPENAI__BASE_URL=http://evil")
    monkeypatch.chdir(project)
    assert load_settings(env={"OMNI_TUI_HOME": str(tmp_path / "home")}) == Settings()


def test_a_repr_shows_neither_headers_nor_address() -> None:
    provider = ProviderSettings(base_url="http://u:hunter2@x", headers={"authorization": "hunter2"})
    assert "hunter2" not in repr(Settings(providers={"a": provider}))


def test_headers_in_a_file_others_can_read_are_noticed(tmp_path: Path) -> None:
    file = write(tmp_path, '[providers.a]\nbase_url = "http://x"\nheaders = {a = "b"}')
    assert load_settings(file, {}).notices == ()
    file.chmod(0o644)
    (notice,) = load_settings(file, {}).notices
    assert "chmod 600" in notice


def test_agents_that_speak_acp_are_named_with_their_command(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[acp.one]\ncommand = ["one", "--acp"]\nenv = { KEY = "$KEY" }\nmodel = "x"\n')
    file.chmod(0o644)
    settings = load_settings(file, {"OMNI_TUI_ACP__TWO__COMMAND": '["two"]'})
    assert settings.acp["one"].command == ("one", "--acp")
    assert settings.acp["two"].command == ("two",)
    assert [notice for notice in settings.notices if "chmod" in notice] == []
    assert any("acp.one.model" in notice for notice in settings.notices)
    assert settings.acp["one"].variables({"KEY": "k"}) == {"KEY": "k"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[acp.one]\n", "acp.one.command: is missing"),
        ("[acp.one]\ncommand = []\n", "acp.one.command: is missing"),
        ('[acp.one]\ncommand = "one sk-secret"\n', "acp.one.command"),
        ('[acp]\none = "sk-secret"\n', "acp.one: expected a table"),
    ],
)
def test_an_agent_without_a_command_stops_the_start(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file, {})
    assert words in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_a_key_written_out_for_an_agent_in_an_open_file_is_a_notice(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[acp.one]\ncommand = ["one"]\nenv = { KEY = "sk-secret" }\n')
    file.chmod(0o644)
    settings = load_settings(file, {})
    assert any("env may hold a key" in notice for notice in settings.notices)
    assert "sk-secret" not in f"{settings!r}"
