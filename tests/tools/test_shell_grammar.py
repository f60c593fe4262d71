from __future__ import annotations

import shlex
import string
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omni_tui.tools.shell import has_look_alikes, has_word, is_readable, parse_simple, segments

META = ";&|<>$`(){}*?[]!#~\\\n\r\t\0\x1b"
COMMANDS = st.text(st.sampled_from(string.ascii_letters + " '\"-=./,:@%^+_" + META), max_size=30)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("make test", ("make", "test")),
        ("  git   status ", ("git", "status")),
        ("git commit -m 'fix it'", ("git", "commit", "-m", "fix it")),
        ("""echo "it's" 'a "b"' c''d""", ("echo", "it's", 'a "b"', "cd")),
        ("echo ''", ("echo", "")),
        ("test a = b", ("test", "a", "=", "b")),
        ("", None),
        ("''", None),
        ("   ", None),
        ("echo 'open", None),
        ("A=1 make", None),
        ("A+=1 make", None),
        ("if", None),
        ("time make", None),
        ("echo é", None),
        ("echo a\tb", None),
        ("x" * 4001, None),
    ],
)
def test_only_a_plain_command_has_words(command: str, words: tuple[str, ...] | None) -> None:
    assert parse_simple(command) == words


@given(before=st.text(max_size=20), sign=st.sampled_from(META), after=st.text(max_size=20))
def test_a_character_a_shell_may_act_on_is_never_plain(before: str, sign: str, after: str) -> None:
    assert parse_simple(before + sign + after) is None


@settings(max_examples=150, deadline=None)
@given(COMMANDS)
@example("'a'\"b\" c")
@example("a=b c")
@example("-- x")
def test_the_words_are_those_bash_itself_sees(command: str) -> None:
    words = parse_simple(command)
    if words is None:
        return
    run = subprocess.run(
        ["/bin/bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True
    )
    assert tuple(run.stdout.split("\0")[:-1]) == words


@given(st.lists(st.text("abc '\"-=./", min_size=1, max_size=8), min_size=1, max_size=5))
def test_quoting_words_and_reading_them_gives_them_back(words: list[str]) -> None:
    parsed = parse_simple(shlex.join(words))
    assert parsed in (tuple(words), None)
    assert parsed or "=" in words[0]


@pytest.mark.parametrize(
    ("command", "programs"),
    [
        ("a b && c | d; e & f", "a c d e f"),
        ("x=1 a; if b; then c; fi", "a b c"),
        ("echo $(rm x) `mv y`", "echo rm mv"),
        ("a\nb\r\nc", "a b c"),
        ("(a; { b; })", "a b"),
        (r"r\m 'x'; \rm", "rm rm"),
        ("'r'\"m\" x", "rm"),
        ("! a", "a"),
        ("a \\\n b", "a"),
    ],
)
def test_every_place_where_a_program_may_start_is_found(command: str, programs: str) -> None:
    assert " ".join(words[0] for words in segments(command)) == programs


@pytest.mark.parametrize("command", ["ls; cat x | wc", "make -j4 2>&1", "echo $HOME"])
def test_programs_spelled_out_are_readable(command: str) -> None:
    assert is_readable(command)


@pytest.mark.parametrize(
    "command", ["$x y", "/bin/r? x", "ls; ~/x", "{rm,x}", "$'\\x72m' x", "rм x", "a\rb"]
)
def test_programs_that_are_computed_are_not_readable(command: str) -> None:
    assert not is_readable(command)


def test_a_word_stands_by_itself() -> None:
    assert has_word("sudo rm x", "rm")
    assert has_word("/bin/RM x", "rm")
    assert not has_word("alarm rm-it --rm", "rm")


@pytest.mark.parametrize(
    ("text", "alike"),
    [
        ("git status", False),
        ("echo é 日本", False),
        ("gіt status", True),  # Cyrillic i
        ("ls\u2028x", True),
        ("ls\u00a0x", True),
        ("ls\uff1brm", True),
        ("a\u200bb", True),
        ("\u202etxt.exe", True),
    ],
)
def test_characters_that_pass_for_others_are_seen(text: str, alike: bool) -> None:
    assert has_look_alikes(text) is alike


def test_a_long_command_is_read_to_its_end() -> None:
    command = "a;" * 20_000
    assert len(segments(command)) == 20_000
    assert is_readable(command)
