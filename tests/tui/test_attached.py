"""What a person means by a path, and what is said of a file."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from omni_tui.core.errors import AttachmentError
from omni_tui.core.messages import Attachment
from omni_tui.tui.attached import Chip, facts_of, read_attachment, size_of

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my cat.png").write_bytes(PNG)
    (tmp_path / "it's.txt").write_text("here")
    return tmp_path


@pytest.mark.parametrize(
    "written",
    [
        "my cat.png",
        "  my cat.png ",
        "'my cat.png'",
        '"my cat.png"',
        r"my\ cat.png",
        "{folder}/my cat.png",
        "file://{folder}/my%20cat.png",
    ],
)
def test_a_path_is_found_however_it_is_written(folder: Path, written: str) -> None:
    found = read_attachment(written.replace("{folder}", str(folder)), folder)
    assert (found.name, found.media_type, found.data) == ("my cat.png", "image/png", PNG)


def test_a_path_may_begin_at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert read_attachment("~/it's.txt", Path("/")).data == b"here"
    assert read_attachment("'~/my cat.png'", Path("/")).data == PNG


def test_a_name_with_an_odd_quote_is_a_name(folder: Path) -> None:
    assert read_attachment("it's.txt", folder).data == b"here"


def test_an_address_is_not_fetched(folder: Path) -> None:
    found = read_attachment("HTTPS://127.0.0.1:9/a%20b.pdf", folder)
    assert (found.name, found.media_type, found.data) == ("a b.pdf", "application/pdf", None)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("nothing.png", "nothing.png cannot be read: No such file"),
        ("not 'closed", "not 'closed cannot be read"),
        (".", "cannot be read: Is a directory"),
        ("", "cannot be read: Is a directory"),
        ("https://example.com/", "does not tell what it is"),
        ("http://[", "cannot be attached"),
        ("nul\0.png", "cannot be attached"),
        ("x" * 5000, "cannot be read: File name too long"),
    ],
)
def test_what_cannot_be_attached_says_why(folder: Path, written: str, reason: str) -> None:
    with pytest.raises(AttachmentError, match=re.escape(reason)):
        read_attachment(written, folder)


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(AttachmentError, match="is not a file"):
        read_attachment("pipe.png", folder)


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_499, "999 kB"), (999_500, "1.0 MB")],
)
def test_sizes_are_short(count: int, said: str) -> None:
    assert size_of(count) == said


@pytest.mark.parametrize(
    ("attachment", "facts"),
    [
        (Attachment(media_type="image/png", data=PNG), "image · 8 B"),
        (Attachment(media_type="application/json", data=b"{}"), "text · 2 B"),
        (Attachment(media_type="application/pdf", url="https://a.example/b"), "pdf · link"),
        (Attachment(media_type="application/x-own", data=b""), "application/x-own · 0 B"),
    ],
)
def test_a_file_is_told_by_kind_and_size(attachment: Attachment, facts: str) -> None:
    assert facts_of(attachment) == facts
    assert Chip.of(attachment).facts == facts
    assert Chip("later.png").facts == "reading"
