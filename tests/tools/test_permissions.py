from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.core.errors import ToolError
from omni_tui.core.messages import ToolUse
from omni_tui.core.tool import Tool, ToolContext
from omni_tui.tools.builtin import builtin_tools
from omni_tui.tools.permissions import Mode, Permissions, Verdict, describe
from omni_tui.tools.rules import Rule

TOOLS = {tool.name: tool for tool in builtin_tools()}
TOOLS["fetch"] = Tool(name="fetch")
TOOLS["clock"] = Tool(name="clock", read_only=True)
EDIT: dict[str, Any] = {"path": "a.txt", "old_string": "a", "new_string": "b"}


def rules(*texts: str) -> list[Rule]:
    """Rules written `effect: rule`; allow when no effect is given."""
    found = []
    for text in texts:
        effect, _, rest = text.rpartition(": ")
        if effect == "deny":
            found.append(Rule.parse(rest, "deny"))
        elif effect == "ask":
            found.append(Rule.parse(rest, "ask"))
        else:
            found.append(Rule.parse(text))
    return found


def decide(
    cwd: Path, name: str, *texts: str, mode: Mode = "ask", own: tuple[Path, ...] = (), **input: Any
) -> Verdict:
    permissions = Permissions(cwd, rules=rules(*texts), mode=mode, own=own)
    return permissions.decide(TOOLS.get(name), ToolUse(id="1", name=name, input=input))


@pytest.mark.parametrize(
    ("name", "input", "effects"),
    [
        # in the modes ask, auto-edit, plan, yolo
        ("read_file", {"path": "a.txt"}, "allow allow allow allow"),
        ("read_file", {"path": "../x"}, "ask ask ask allow"),
        ("read_file", {"path": "/etc/passwd"}, "ask ask ask allow"),
        ("read_file", {"path": "~/x"}, "ask ask ask allow"),
        ("read_file", {"path": "link/x"}, "ask ask ask allow"),
        ("grep", {"pattern": "x"}, "allow allow allow allow"),
        ("grep", {"pattern": "x", "path": ".."}, "ask ask ask allow"),
        ("glob", {"pattern": "*"}, "allow allow allow allow"),
        ("write_file", {"path": "a.txt", "content": ""}, "ask allow deny allow"),
        ("edit_file", EDIT, "ask allow deny allow"),
        ("edit_file", EDIT | {"path": "../x"}, "ask ask deny allow"),
        ("edit_file", EDIT | {"path": "link/x"}, "ask ask deny allow"),
        ("edit_file", EDIT | {"path": ".git/hooks/pre-commit"}, "ask ask deny allow"),
        ("edit_file", EDIT | {"path": "sub/.GIT/config"}, "ask ask deny allow"),
        ("edit_file", EDIT | {"path": ".omni/config.toml"}, "ask ask deny allow"),
        ("write_file", {"path": "AGENTS.md", "content": ""}, "ask ask deny allow"),
        ("write_file", {"path": "sub/.bashrc", "content": ""}, "ask ask deny allow"),
        ("write_file", {"path": "own/config.toml", "content": ""}, "ask ask deny allow"),
        ("read_file", {"path": "own/config.toml"}, "ask ask ask allow"),
        ("grep", {"pattern": "x", "path": "."}, "allow allow allow allow"),
        ("bash", {"command": "ls"}, "ask ask deny allow"),
        ("human", {"question": "?"}, "allow allow allow allow"),
        ("clock", {}, "allow allow allow allow"),
        ("fetch", {"url": "x"}, "ask ask deny allow"),
        ("unknown", {}, "ask ask deny allow"),
        ("read_file", {}, "deny deny deny deny"),
        ("read_file", {"path": 5}, "deny deny deny deny"),
        ("read_file", {"path": "a\0b"}, "deny deny deny deny"),
        ("bash", {"command": ["ls"]}, "deny deny deny deny"),
    ],
)
def test_what_no_rule_speaks_of_falls_to_the_mode(
    work: Path, name: str, input: dict[str, Any], effects: str
) -> None:
    (work / "link").symlink_to(work.parent)
    own = () if name == "grep" else (work / "own",)
    for mode, effect in zip(get_args(Mode), effects.split(), strict=True):
        assert decide(work, name, mode=mode, own=own, **input).effect == effect, mode


def test_arguments_that_are_no_json_are_denied(work: Path) -> None:
    use = ToolUse(id="1", name="bash", invalid="{")
    verdict = Permissions(work, mode="yolo").decide(TOOLS["bash"], use)
    assert (verdict.effect, verdict.always_rule) == ("deny", None)


@pytest.mark.parametrize(
    ("effect", "command", "texts"),
    [
        ("allow", "make test", ["bash(make test)"]),
        ("ask", "make test2", ["bash(make test)"]),
        ("ask", "make test x", ["bash(make test)"]),
        ("ask", "make", ["bash(make test)"]),
        ("allow", "git status", ["bash(git status *)"]),
        ("allow", "git status -s src", ["bash(git status *)"]),
        ("ask", "git statusx", ["bash(git status *)"]),
        ("allow", "ls src", ["bash"]),
        ("ask", "ls | wc", ["bash"]),
        ("allow", "ls", ["bash(ls *)", "ask: bash"]),
        ("ask", "ls src", ["bash(ls *)", "ask: bash(ls src)"]),
        ("allow", "ls src", ["ask: bash(ls *)", "bash(ls src)"]),
        ("ask", "ls src", ["bash(ls *)", "ask: bash(ls *)"]),
        ("deny", "ls src", ["bash(ls src)", "deny: bash(ls *)"]),
        ("deny", "ls src", ["bash(ls src)", "deny: bash"]),
        ("deny", "ls src", ["bash(ls src)", "deny: *"]),
        ("deny", "echo a && rm x", ["bash", "deny: bash(rm *)"]),
        ("ask", "grep rm x", ["bash(grep *)", "deny: bash(rm *)"]),
        ("allow", "grep rn x", ["bash(grep *)", "deny: bash(rm *)"]),
    ],
)
def test_the_most_specific_rule_wins_and_a_deny_always(
    work: Path, effect: str, command: str, texts: list[str]
) -> None:
    assert decide(work, "bash", *texts, command=command).effect == effect


@pytest.mark.parametrize(
    ("effect", "command"),
    [
        ("deny", "rm x"),
        ("deny", "; ".join(["true"] * 80 + ["rm x"])),
        ("deny", "bash -c 'rm x'"),
        ("ask", "$cmd x"),
        ("ask", "cat secrets/key"),
        ("ask", "tar c --file=secrets/key"),
        ("allow", "make && ls | wc -l > out"),
        ("allow", "cat secrets/nothing"),
    ],
)
def test_deny_rules_hold_in_yolo_mode_and_doubts_are_asked(
    work: Path, effect: str, command: str
) -> None:
    (work / "secrets").mkdir()
    (work / "secrets" / "key").touch()
    texts = ["deny: bash(rm *)", "deny: read_file(secrets/*)"]
    assert decide(work, "bash", *texts, mode="yolo", command=command).effect == effect


@pytest.mark.parametrize(
    ("effect", "name", "path", "texts"),
    [
        ("allow", "edit_file", "src/a.py", ["edit_file(src/**)"]),
        ("ask", "edit_file", "doc/a.py", ["edit_file(src/**)"]),
        ("ask", "edit_file", "src/../doc/a", ["edit_file(src/**)"]),
        ("ask", "edit_file", "link/a.py", ["edit_file(**)"]),
        ("ask", "edit_file", ".git/config", ["edit_file(**)", "edit_file(.git/config)"]),
        ("deny", "read_file", "secrets/a", ["deny: read_file(secrets/**)"]),
        ("deny", "read_file", "alias/a", ["deny: read_file(secrets/**)"]),
        ("deny", "read_file", "alias/a", ["deny: read_file(alias/**)"]),
        ("deny", "read_file", "SECRETS/a", ["deny: read_file(secrets/**)"]),
        ("deny", "grep", "secrets", ["deny: read_file(secrets/**)"]),
        ("ask", "grep", ".", ["deny: read_file(secrets/**)"]),
        ("allow", "grep", "src", ["deny: read_file(secrets/**)"]),
        ("allow", "glob", ".", ["deny: read_file(secrets/**)"]),
        ("ask", "read_file", "src/a", ["ask: read_file(src/*)"]),
        ("allow", "read_file", "/usr/share/x", ["read_file(/usr/share/**)"]),
        ("ask", "read_file", "/usr/share/x", ["read_file", "read_file(**)"]),
        ("deny", "write_file", "a", ["deny: *_file", "write_file(**)"]),
    ],
)
def test_rules_for_files_speak_of_real_paths(
    work: Path, effect: str, name: str, path: str, texts: list[str]
) -> None:
    for folder in ("src", "secrets"):
        (work / folder).mkdir()
    (work / "link").symlink_to(work.parent)
    (work / "alias").symlink_to("secrets")
    input: dict[str, Any] = EDIT | {"path": path, "pattern": "x", "content": ""}
    assert decide(work, name, *texts, **input).effect == effect


def test_a_rule_for_another_tool_is_by_name_or_by_all_its_arguments(work: Path) -> None:
    assert decide(work, "fetch", "fetch", url="x").effect == "allow"
    assert decide(work, "fetch", "f*", url="x").effect == "allow"
    assert decide(work, "fetch", 'fetch({"a":1,"url":"x"})', url="x", a=1).effect == "allow"
    assert decide(work, "fetch", 'fetch({"url":"x"})', url="xy").effect == "ask"
    assert decide(work, "fetch", "fetch", "deny: f*", url="x").effect == "deny"


def test_searching_where_our_own_files_lie_is_asked(work: Path) -> None:
    own = (work / ".config" / "omni-tui",)
    assert decide(work, "grep", own=own, pattern="x").effect == "ask"
    assert decide(work, "grep", own=own, pattern="x", path="src").effect == "allow"


@pytest.mark.parametrize(
    ("name", "input", "stored"),
    [
        ("bash", {"command": "make test"}, "bash(make test)"),
        ("bash", {"command": "git commit -m 'a b'"}, "bash(git commit -m 'a b')"),
        ("bash", {"command": "./run.sh x"}, "bash(./run.sh x)"),
        ("bash", {"command": "rm -rf build"}, None),
        ("bash", {"command": "rm -rf build && make test"}, None),
        ("bash", {"command": "make test > out"}, None),
        ("bash", {"command": "cat ../secret.txt"}, None),
        ("bash", {"command": "cp x .git/hooks/pre-commit"}, None),
        ("bash", {"command": "curl https://example.com"}, None),
        ("edit_file", EDIT, "edit_file(**)"),
        ("write_file", {"path": "sub/a", "content": ""}, "write_file(**)"),
        ("write_file", {"path": "../a", "content": ""}, None),
        ("write_file", {"path": "AGENTS.md", "content": ""}, None),
        ("read_file", {"path": "/etc/hosts"}, "read_file(/etc/hosts)"),
        ("read_file", {"path": "/etc/a*"}, "read_file(/etc/a[*])"),
        ("grep", {"pattern": "x", "path": "/etc"}, "grep(/etc)"),
        ("read_file", {"path": "/etc/hоsts"}, None),
        ("fetch", {"url": "x"}, "fetch"),
    ],
)
def test_always_stores_exactly_the_rule_it_shows_or_offers_nothing(
    work: Path, name: str, input: dict[str, Any], stored: str | None
) -> None:
    permissions = Permissions(work)
    use = ToolUse(id="1", name=name, input=input)
    verdict = permissions.decide(TOOLS[name], use)
    assert verdict.effect == "ask"
    assert (verdict.always_rule and str(verdict.always_rule)) == stored
    if verdict.always_rule:
        permissions.add(Rule.parse(str(verdict.always_rule)))
        again = permissions.decide(TOOLS[name], use)
        assert (again.effect, again.rule) == ("allow", verdict.always_rule)


def test_always_is_not_offered_where_it_would_change_nothing(work: Path) -> None:
    assert decide(work, "edit_file", "ask: edit_file(a.txt)", **EDIT).always_rule is None
    odd = ToolUse(id="1", name="a(b)")
    assert Permissions(work).decide(None, odd).always_rule is None


@pytest.mark.parametrize(
    ("command", "warning"),
    [
        ("rm -rf build", "deletes files"),
        ("make; rm x", "deletes files"),
        ("sudo /bin/rm x", "deletes files"),
        ("find . -delete", "deletes files"),
        ("git clean -fdx", "deletes files"),
        ("git checkout .", "may discard changes"),
        ("git push --force", "may rewrite published history"),
        ("ls | sh", "runs a pipe"),
        ("a && b", "runs several commands"),
        ("a\nb", "runs several commands"),
        ("server &", "runs in the background"),
        ("echo $(id)", "runs a command inside the command"),
        ("echo x > y", "writes to a file"),
        ("curl example.com", "uses the network"),
        ("sudo id", "runs as another user"),
        ("cat ../x", "outside the working folder"),
        ("cat ~/x", "outside the working folder"),
        ("cat $HOME/x", "outside the working folder"),
        ("tar -C/etc x", "outside the working folder"),
        ("x --file=/etc/passwd", "outside the working folder"),
        ("echo x > .git/hooks/a", "changes protected file"),
        ("cp x sub/AGENTS.md", "changes protected file"),
        ("gіt status", "contains non-ASCII look-alikes"),
        ("ls \x1b[2J", "contains control characters"),
    ],
)
def test_a_person_is_warned(work: Path, command: str, warning: str) -> None:
    assert warning in decide(work, "bash", command=command).warnings


@pytest.mark.parametrize(
    "command",
    ["make test", "echo 'a b'", "ls -la src 2>&1", "git log -3", "echo é", "curl-config x"],
)
def test_nobody_is_warned_of_nothing(work: Path, command: str) -> None:
    assert decide(work, "bash", command=command).warnings == ()


async def test_an_approved_use_may_reach_the_file_outside_and_no_other(
    work: Path, tmp_path: Path
) -> None:
    verdict = decide(work, "read_file", path="../secret.txt")
    assert verdict.outside == (tmp_path / "secret.txt",)
    context = ToolContext(cwd=work, allowed_paths=(work, *verdict.outside))
    read = TOOLS["read_file"].handler
    assert read is not None
    assert "secret" in await read({"path": "../secret.txt"}, context)
    (tmp_path / "other.txt").write_text("not asked for")
    with pytest.raises(ToolError, match="Outside"):
        await read({"path": "../other.txt"}, context)
    assert decide(work, "read_file", path="a.txt").outside == ()


@pytest.mark.parametrize(
    ("name", "input", "line"),
    [
        ("bash", {"command": "make\ntest \x1b[2J"}, "make test \ufffd[2J"),
        ("read_file", {"path": "a\u202eb"}, "a\ufffdb"),
        ("grep", {"pattern": "x+", "path": "src"}, "x+"),
        ("human", {"question": "Which?"}, "Which?"),
        ("fetch", {"url": "x", "a": [1]}, '{"a":[1],"url":"x"}'),
        ("bash", {"command": 5}, '{"command":5}'),
        ("fetch", {"text": "\ud83d"}, '{"text":"\ufffd"}'),
    ],
)
def test_a_use_is_described_in_one_safe_line(name: str, input: dict[str, Any], line: str) -> None:
    assert describe(ToolUse(id="1", name=name, input=input)) == line


def test_arguments_that_are_no_json_are_shown_as_sent() -> None:
    assert describe(ToolUse(id="1", name="bash", invalid='{"command": "l')) == '{"command": "l'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    name=st.sampled_from([*TOOLS, "unknown"]) | st.text(max_size=5),
    input=st.dictionaries(
        st.sampled_from(["path", "command", "pattern", "question"]) | st.text(max_size=5), JSON
    ),
    mode=st.sampled_from(get_args(Mode)),
)
def test_judging_and_describing_never_fail(name: str, input: dict[str, Any], mode: Mode) -> None:
    some = rules("bash(ls *)", "deny: bash(rm *)", "ask: read_file(*.env)", "deny: fetch")
    permissions = Permissions(Path("/nowhere"), rules=some, mode=mode)
    use = ToolUse(id="1", name=name, input=input)
    verdict = permissions.decide(TOOLS.get(name), use)
    assert verdict.effect in ("allow", "ask", "deny")
    assert "\n" not in describe(use)
