"""Ways round a list of allowed commands, most of them found in the wild: none may pass."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.core.messages import ToolUse
from omni_tui.tools.bash import bash
from omni_tui.tools.permissions import Permissions
from omni_tui.tools.rules import Rule

# fmt: off
PROGRAMS = [
    "echo", "ls", "cat", "git", "sort", "find", "sed", "awk", "xargs", "env", "tar", "man",
    "sh", "python", "perl", "make", "grep", "rg", "head", "tail", "npm", "go", "node", "cp",
    "tee", "date", "split", "file", "tree", "pytest", "timeout", "nice", "sudo", "ssh", "less",
    "vim", "curl",
]
# fmt: on
ALLOWED = [
    *(f"bash({name} *)" for name in PROGRAMS),
    "bash(git status *)",
    "bash(git log *)",
    "bash(git diff *)",
    "bash(git push *)",
    "bash",
]

CORPUS = [
    # more than one command
    "echo a; rm -rf x",
    "echo a && rm -rf x",
    "echo a || rm -rf x",
    "echo a | sh",
    "echo a |& sh",
    "echo a & rm x",
    "echo a\nrm x",
    "echo a\r\nrm x",
    "echo a\rrm x",
    "; ".join(["echo a"] * 51),
    "git status; rm x",
    "git status\n\nrm x",
    "echo 'a'; rm 'x'",
    "echo 'a\nrm x'",
    "echo a # ; rm x",
    "echo a\u2028rm x",
    "echo a\x0brm x",
    # substitution
    "echo $(rm x)",
    "echo `rm x`",
    'echo "$(rm x)"',
    "echo ${IFS}x",
    "echo$IFS-x",
    "ls <(rm x)",
    "ls >(rm x)",
    "echo $((a[$(rm x)]))",
    "echo $'\\x72m'",
    "echo {a,b}",
    "echo *",
    "ls [a-z]",
    "ls ?",
    "ls ~root",
    "echo !!",
    # redirections
    "echo evil > .bashrc",
    "echo evil >> .bashrc",
    "echo evil >| x",
    "echo a &> x",
    "cat < /etc/passwd",
    "cat << EOF\nx\nEOF",
    "cat <<< x",
    "echo a 2>x",
    "echo evil>.git/hooks/pre-commit",
    # the environment
    "PAGER=evil git log",
    "LD_PRELOAD=x ls",
    "GIT_SSH_COMMAND=evil git fetch",
    "env -S 'rm x'",
    "env rm x",
    "export PATH=evil",
    # programs that run programs
    "git -c alias.x=evil x",
    "git -c core.pager=evil log",
    "git -C /elsewhere status",
    "git --exec-path=evil status",
    "git --config-env=core.pager=X log",
    "git --git-dir=evil status",
    "git config alias.x evil",
    "git difftool -x evil",
    "git bisect run evil",
    "git submodule foreach evil",
    "git rebase --exec evil",
    "git grep -Oevil x",
    "git grep --open-files-in-pager=evil x",
    "git diff --ext-diff",
    "git diff --output=x",
    "git log --outp=x",
    "git log --output x",
    "git fetch --upload-pack=evil",
    "git push --receive-pack=evil",
    "git push --rec=evil",
    "git fetch ext::sh",
    "git push ext::sh",
    "git filter-branch --tree-filter evil",
    "git diff /etc/passwd x",
    "find . -exec rm x +",
    "find . -delete",
    "find . -fprint x",
    "xargs rm",
    "sed -i s/a/b/w x",
    "sed 1e x",
    "sort -o .bashrc x",
    "sort --output=.bashrc x",
    "sort --outp .bashrc x",
    "sort --compress-program=evil x",
    "sort -ro x y",
    "awk -f x",
    "tar --checkpoint-action=exec=evil -cf x y",
    "tar -xf x --to-command=evil",
    "man -P evil ls",
    "less x",
    "vim -c x",
    "sh -c evil",
    "/bin/sh -c evil",
    "python -c evil",
    "python3.12 -c evil",
    "perl -e evil",
    "node -e evil",
    "make -f evil",
    "make SHELL=evil",
    "sudo ls",
    "timeout 5 rm x",
    "nice rm x",
    "ssh -o ProxyCommand=evil x",
    "rg --pre evil x",
    "rg --pre=evil x",
    "split --filter=evil x",
    "npm exec evil",
    "npm --script-shell=evil test",
    "go run evil",
    "go test -exec=evil",
    "go vet -vettool=evil",
    "tree -o x",
    "file -C -m x",
    "pytest -p evil",
    "pytest -cevil",
    "curl -o x y",
    "tee x",
    "time ls",
    "eval ls",
    "exec ls",
    "source x",
    ". x",
    "command ls",
    "builtin ls",
    # letters that look the same
    "gіt status",
    "l\u0455",
    "ls\u00a0x",
    "echo\u3000x",
    "ls \uff1b rm x",
    "ls \u200b",
    "ls \x1b[8m",
    "ls \0 rm",
    # quotes
    "echo 'a",
    'echo "a',
    "echo a\\",
    "ec\\ho a; rm x",
    "echo \\\nrm",
    # other files
    "cat /etc/shadow",
    "cat ../secret.txt",
    "ls src/../../..",
    "cat link/secret.txt",
    "grep -f/etc/shadow x",
    "grep --file=/etc/shadow x",
    "head -n1 file:///etc/shadow",
    "cp evil .git/hooks/pre-commit",
    "cp evil AGENTS.md",
    "cp evil sub/.envrc",
    "cp --target-directory=.git/hooks evil",
    # names that merely begin alike
    "gitx status",
    "echoo a",
    "./echo a",
    "/tmp/ls",
    "",
    " ",
]

PLAIN = [
    "echo hello",
    "echo 'hello world'",
    'echo "it is"',
    "ls",
    "ls -la",
    "ls -la src",
    "cat README.md",
    "git status",
    "git status -sb",
    "git log --oneline -10",
    "git log -p --stat src/a.py",
    "git diff HEAD^ -- src",
    "git diff --cached",
    "git push -u origin main",
    "git log origin/main..HEAD",
    "grep -rn needle src",
    "head -20 a.txt",
    "tail -n 5 a.txt",
    "sort -u names.txt",
    "npm run test",
    "pytest -x -q tests/test_a.py",
    "rg -n needle src",
    "date +%s",
    "cp a.txt b.txt",
]


def effect(command: str, folder: Path, allowed: list[str]) -> str:
    permissions = Permissions(folder, rules=[Rule.parse(text) for text in allowed])
    return permissions.decide(bash, ToolUse(id="1", name="bash", input={"command": command})).effect


def test_the_corpus_is_large_and_has_no_twins() -> None:
    assert len(set(CORPUS)) == len(CORPUS) >= 60
    assert len(set(PLAIN)) == len(PLAIN) >= 20


def short(command: str) -> str:
    return ascii(command[:30])


@pytest.mark.parametrize("command", CORPUS, ids=short)
def test_no_way_round_is_allowed(work: Path, command: str) -> None:
    (work / "link").symlink_to(work.parent)
    named = [text for text in ALLOWED if text != "bash"]
    allowed = named if command in ("gitx status", "echoo a", "./echo a") else ALLOWED
    assert effect(command, work, allowed) == "ask"


@pytest.mark.parametrize("command", PLAIN, ids=short)
def test_a_plain_command_passes(work: Path, command: str) -> None:
    assert effect(command, work, ALLOWED) == "allow"


META = ";&|<>$`(){}*?[]!#~\\\n\r\t\0\x1b\u2028é"


@given(
    start=st.sampled_from(["ls ", "echo ", "git status ", ""]),
    before=st.text(max_size=15),
    sign=st.sampled_from(META),
    after=st.text(max_size=15),
)
def test_no_command_with_a_sign_of_the_shell_is_ever_allowed(
    start: str, before: str, sign: str, after: str
) -> None:
    command = start + before + sign + after
    assert effect(command, Path("/nowhere"), ALLOWED) == "ask"
