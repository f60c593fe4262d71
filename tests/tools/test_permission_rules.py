from __future__ import annotations

from pathlib import Path

import pytest

from omni_tui.core.errors import ConfigError
from omni_tui.tools.paths import expand_braces, glob_match
from omni_tui.tools.rules import Rule


@pytest.mark.parametrize(
    "text",
    [
        "read_file",
        "bash",
        "bash(make test)",
        "bash(git status *)",
        "bash(git commit -m 'a b')",
        "edit_file(**)",
        "edit_file(src/(odd)/x.py)",
        "read_file(/etc/hosts)",
        "mcp__*",
    ],
)
def test_a_rule_reads_back_as_it_was_written(text: str) -> None:
    rule = Rule.parse(text, "deny")
    assert str(rule) == text
    assert Rule.parse(str(rule), "deny") == rule
    assert rule.effect == "deny"


def test_a_star_alone_is_the_whole_tool() -> None:
    assert Rule.parse("bash(*)") == Rule.parse("bash")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bash(",
        "bash()",
        "bash(a; b)",
        "bash(a | b)",
        "bash(rm $x)",
        "bash(git* push)",
        "bash(git * push)",
        "bash('open)",
        "*(secrets/**)",
        "two words",
    ],
)
def test_a_rule_that_cannot_be_kept_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match="Not a permission rule"):
        Rule.parse(text)


@pytest.mark.parametrize(
    ("rule", "command", "found"),
    [
        ("rm *", "rm -rf x", "yes"),
        ("rm *", "rm", "yes"),
        ("rm *", "/bin/rm x", "yes"),
        ("rm *", "RM x", "yes"),
        ("rm *", "ls && rm x", "yes"),
        ("rm *", "; ".join(["true"] * 60 + ["rm x"]), "yes"),
        ("rm *", "echo $(rm x)", "yes"),
        ("rm *", "echo `rm x`", "yes"),
        ("rm *", "ls\nrm x", "yes"),
        ("rm *", "ls\rrm x", "yes"),
        ("rm *", "A=1 rm x", "yes"),
        ("rm *", "sudo rm x", "yes"),
        ("rm *", "env -i A=1 rm x", "yes"),
        ("rm *", "find . -exec rm {} ;", "yes"),
        ("rm *", "ls | xargs -n1 rm", "yes"),
        ("rm *", 'bash -c "cd x; rm y"', "yes"),
        ("rm *", r"r\m x", "yes"),
        ("rm *", "'r'm x", "yes"),
        ("rm *", "if true; then rm x; fi", "yes"),
        ("rm *", "! rm x", "yes"),
        ("rm *", "{ rm x; }", "yes"),
        ("rm *", "> out rm x", "perhaps"),
        ("rm *", "grep rm file", "perhaps"),
        ("rm *", "$x y", "perhaps"),
        ("rm *", "/bin/r? x", "perhaps"),
        ("rm *", "$'\\x72m' x", "perhaps"),
        ("rm *", "{rm,x}", "perhaps"),
        ("rm *", "ls -la; echo alarm", "no"),
        ("git push *", "git push origin", "yes"),
        ("git push *", "git -C x push", "perhaps"),
        ("git push *", "git -c alias.p=push p", "perhaps"),
        ("git push *", "git pull", "no"),
        ("rm -rf *", "rm -fr x", "perhaps"),
        ("rm -rf build", "rm -rf build", "yes"),
        ("git commit -m 'a b'", "git commit -m 'a b'", "yes"),
    ],
)
def test_a_rule_finds_its_command_wherever_it_hides(rule: str, command: str, found: str) -> None:
    assert Rule.parse(f"bash({rule})", "deny").finds(command) == found


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("**", "a/b/c.py", True),
        ("**", "", True),
        ("*.py", "a.py", True),
        ("*.py", "a/b.py", False),
        ("**/*.py", "b.py", True),
        ("**/*.py", "a/b/c.py", True),
        ("src/**", "src", True),
        ("src/**", "src/a", True),
        ("src/**", "srcx/a", False),
        ("src/**/test_*.py", "src/a/b/test_x.py", True),
        ("src/**/test_*.py", "src/a/b/x.py", False),
        ("a/**/b/**/c", "a/x/b/c", True),
        ("a/**/b/**/c", "a/c", False),
        ("a?c", "abc", True),
        ("[ab]", "b", True),
        ("*", "a/b", False),
        ("**/" * 30 + "x", "a/" * 200 + "y", False),
        ("*a" * 60, "a" * 250 + "b", False),
    ],
)
def test_a_path_pattern_fits_by_component(pattern: str, path: str, fits: bool) -> None:
    assert glob_match(pattern, path) is fits


def test_braces_are_alternatives() -> None:
    assert set(expand_braces("{a,b}/*.{c,d}")) == {"a/*.c", "a/*.d", "b/*.c", "b/*.d"}
    assert expand_braces("a}b{") == ("a}b{",)
    assert set(expand_braces("{a,{b,c}}")) == {"a", "b", "c"}


def test_a_path_rule_speaks_of_real_places(tmp_path: Path) -> None:
    inside = Rule.parse("read_file(src/**)")
    assert inside.fits_path(tmp_path / "src/a", tmp_path)
    assert not inside.fits_path(Path("/src/a"), tmp_path)
    outside = Rule.parse("read_file(/usr/share/**)")
    assert outside.fits_path(Path("/usr/share/dict/words"), tmp_path)
    home = Rule.parse("read_file(~/notes/*)")
    assert home.fits_path(Path.home() / "notes/a", tmp_path)


def test_a_deny_rule_for_paths_counts_a_doubt(tmp_path: Path) -> None:
    env = Rule.parse("read_file(**/.env)", "deny")
    assert env.refuses_path(tmp_path / "a/.ENV", tmp_path)
    assert env.refuses_path(Path("/elsewhere/.env"), tmp_path)
    secrets = Rule.parse("read_file(secrets/*.pem)", "deny")
    assert secrets.reaches_beneath(tmp_path, tmp_path)
    assert secrets.reaches_beneath(tmp_path / "secrets/old", tmp_path)
    assert not secrets.reaches_beneath(tmp_path / "src", tmp_path)
    assert set(expand_braces("{a,{b,c}}")) == {"a", "b", "c"}


def test_the_more_specific_rule_weighs_more() -> None:
    texts = ["mcp_*", "bash", "bash(git *)", "bash(git status *)", "bash(git)"]
    rules = [Rule.parse(text) for text in texts]
    assert [str(rule) for rule in sorted(rules, key=lambda rule: rule.weight)] == texts
    assert Rule.parse("bash", "ask").weight > Rule.parse("bash").weight
