"""What is known about programs: which of them run others, delete, or reach out."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

# fmt: off
RUNNERS = frozenset({
    # shells and what a shell has built in to run words or files
    "sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "busybox",
    "toybox", "rbash", "pwsh", "eval", "exec", "source", ".", "command", "builtin", "trap",
    "alias", "unalias", "enable", "complete", "compgen", "bind", "hash", "export", "declare",
    "typeset", "readonly", "local", "set", "shopt", "unset", "mapfile", "readarray", "fc",
    "history", "let",
    # languages
    "python", "pypy", "ipython", "perl", "ruby", "irb", "node", "nodejs", "deno", "bun", "php",
    "lua", "luajit", "tclsh", "wish", "expect", "rscript", "r", "julia", "ghc", "ghci", "runghc",
    "java", "jshell", "groovy", "scala", "swift", "osascript", "elixir", "iex", "erl", "awk",
    "gawk", "mawk", "nawk", "sed", "gsed", "m4", "dc", "guile", "racket", "sbcl", "emacs",
    "emacsclient", "gdb", "lldb",
    # programs whose arguments name another one
    "env", "xargs", "find", "fd", "fdfind", "parallel", "nice", "ionice", "nohup", "setsid",
    "stdbuf", "timeout", "time", "watch", "script", "strace", "ltrace", "perf", "valgrind",
    "chroot", "unshare", "nsenter", "flock", "entr", "taskset", "chrt", "prlimit", "numactl",
    "setarch", "linux", "at", "batch", "crontab", "systemd-run", "systemctl", "service",
    "run-parts", "start-stop-daemon", "sudo", "doas", "su", "runuser", "pkexec", "gosu",
    "setpriv", "capsh", "firejail", "bwrap", "screen", "tmux", "byobu", "dtach",
    "dbus-run-session", "xvfb-run", "xdg-open", "open", "ip", "make", "gmake", "cmake", "ninja",
    "meson", "bazel", "just", "task", "rake", "ant", "mvn", "gradle", "npx", "pnpx", "bunx",
    "uvx", "uv", "pipx", "poetry", "pdm", "hatch", "rye", "pixi", "conda", "nix", "nix-shell",
    "docker", "podman", "nerdctl", "kubectl", "helm", "vagrant", "ansible", "ansible-playbook",
    "terraform", "ssh", "scp", "sftp", "rsync", "mosh", "telnet", "nc", "ncat", "socat", "ftp",
    "lftp", "openssl", "gpg", "ssh-keygen",
    # programs with an escape to a shell, or an option that names a program or a file to write
    "man", "info", "less", "more", "most", "pager", "vi", "vim", "view", "nvim", "ex", "ed",
    "red", "nano", "pico", "joe", "tar", "gtar", "bsdtar", "zip", "cpio", "pax", "7z", "7za",
    "sqlite", "psql", "mysql", "mariadb", "mongo", "mongosh", "redis-cli", "gcc", "g++", "cc",
    "c++", "clang", "clang++", "ld", "as", "tcc", "curl", "wget", "apt", "apt-get", "dpkg",
    "rpm", "dnf", "yum", "brew", "pacman", "gem", "bundle", "composer", "mutt", "mail", "tee",
    "dd", "install", "wall", "logrotate", "uniq", "xxd",
})
"""Programs that run others, or write where an argument says: no open-ended rule covers them."""

_GIT_COMMANDS = frozenset({
    "add", "blame", "branch", "cat-file", "check-ignore", "checkout", "cherry-pick", "commit",
    "describe", "diff", "fetch", "grep", "log", "ls-files", "ls-tree", "merge", "merge-base", "mv",
    "pull", "push", "reflog", "reset", "restore", "rev-list", "rev-parse", "rm", "shortlog", "show",
    "stash", "status", "switch", "tag", "worktree",
})
# Options that make a program run another or write a file: short letters, then long names.
_RISKY: dict[str, tuple[str, tuple[str, ...]]] = {
    "git": ("cCOox", (
        "output", "ext-diff", "textconv", "open-files-in-pager", "exec", "exec-path", "upload-pack",
        "receive-pack", "config", "config-env", "git-dir", "work-tree", "template", "editor",
        "strategy-option", "attr-source", "edit-description",
    )),
    "sort": ("oT", ("output", "compress-program", "temporary-directory", "files0-from")),
    "rg": ("z", ("pre", "hostname-bin", "search-zip")),
    "split": ("", ("filter",)),
    "tree": ("oR", ("output",)),
    "file": ("Cm", ("compile", "magic-file")),
    "date": ("s", ("set",)),
    "go": ("", (
        "exec", "toolexec", "vettool", "o", "overlay", "modfile", "ldflags", "gcflags", "c",
    )),
    "cargo": ("C", ("config",)),
    "npm": ("C", ("script-shell", "prefix", "node-options", "call", "globalconfig", "userconfig")),
    "pytest": ("pco", ("rootdir", "confcutdir", "override-ini", "basetemp", "config-file")),
    "shuf": ("o", ("output",)),
    "iconv": ("o", ("output",)),
}
_RISKY_WORDS = {
    "npm": {"exec", "x", "explore", "edit", "init", "create", "config", "set"},
    "pnpm": {"exec", "dlx", "create", "config"},
    "yarn": {"exec", "dlx", "create", "config"},
    "go": {"run", "generate", "tool", "env"},
}
_DELETES = frozenset({
    "rm", "rmdir", "unlink", "shred", "srm", "trash", "mkfs", "wipefs", "truncate",
})
_NETWORK = frozenset({
    "curl", "wget", "ssh", "scp", "sftp", "rsync", "nc", "ncat", "socat", "telnet", "ftp", "lftp",
    "ping", "dig", "host", "nslookup", "http",
})
_OTHER_USER = frozenset({"sudo", "doas", "su", "runuser", "pkexec", "gosu"})
# fmt: on


def program_name(word: str) -> str:
    """The plain name of a program: no folder, no version (`/usr/bin/python3.12` is `python`)."""
    name = posixpath.basename(word).casefold()
    return re.sub(r"[-.\d]+$", "", name) or name


def runs_others(words: Sequence[str]) -> bool:
    """Whether these words may make a program run another one or write to a file of their choice."""
    name, arguments = program_name(words[0]), words[1:]
    if name in RUNNERS:
        return True
    if name == "git" and not _is_plain_git(arguments):
        return True
    if _RISKY_WORDS.get(name, set()) & set(arguments):
        return True
    short, long = _RISKY.get(name, ("", ()))
    return any(_is_risky(argument, short, long) for argument in arguments)


def _is_plain_git(arguments: Sequence[str]) -> bool:
    # "ext::" and its like make git run a program to reach a repository.
    return bool(
        arguments
        and arguments[0] in _GIT_COMMANDS
        and not any("::" in argument for argument in arguments)
    )


def _is_risky(argument: str, short: str, long: Sequence[str]) -> bool:
    if not argument.startswith("-"):
        return False
    name = argument.lstrip("-").partition("=")[0]
    if argument.startswith("--"):
        # The beginning of a long option is taken for the whole.
        return bool(name) and any(option.startswith(name) for option in long)
    return name in long or any(letter in short for letter in name)


def effects(words: Sequence[str]) -> tuple[str, ...]:
    """What a person should know before these words run, as short phrases."""
    names = {program_name(word) for word in words[:1]}
    if names & RUNNERS:
        names |= {program_name(word) for text in words for word in text.split()}
    phrases = []
    if names & _DELETES or ("find" in names and "-delete" in words):
        phrases.append("deletes files")
    if "git" in names:
        phrases += _git_effects(words)
    if names & _NETWORK:
        phrases.append("uses the network")
    if names & _OTHER_USER:
        phrases.append("runs as another user")
    return tuple(phrases)


def _git_effects(words: Sequence[str]) -> list[str]:
    given = set(words)
    phrases = []
    if given & {"clean", "rm"}:
        phrases.append("deletes files")
    if given & {"restore", "checkout", "--hard"} or {"stash", "drop"} <= given:
        phrases.append("may discard changes")
    if "push" in given and any(word.startswith(("-f", "--force")) for word in words):
        phrases.append("may rewrite published history")
    return phrases
