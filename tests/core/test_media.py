"""Attachments made of files, bytes and addresses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from omni_tui.core.errors import AttachmentError
from omni_tui.core.media import SIZE_LIMITS, kind_of
from omni_tui.core.messages import Attachment

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
WEBP = b"RIFF\x24\0\0\0WEBPVP8 "


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("a.png", PNG, "image/png"),
        ("photo.txt", PNG, "image/png"),
        ("a", b"\xff\xd8\xff\xe0JFIF", "image/jpeg"),
        ("a.gif", b"GIF89a\1\0", "image/gif"),
        ("a.webp", WEBP, "image/webp"),
        ("a.pdf", b"%PDF-1.7\n\xe2\xe3", "application/pdf"),
        ("a.md", "é".encode(), "text/markdown"),
        ("a.JSON", b"{}", "application/json"),
        ("a.svg", b"<svg/>", "text/xml"),
        ("Makefile", b"all:\n", "text/plain"),
        ("not-really.png", b"words", "text/plain"),
        ("empty.txt", b"", "text/plain"),
    ],
)
def test_a_file_is_what_its_content_says(
    tmp_path: Path, name: str, data: bytes, media_type: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    expected = Attachment(media_type=media_type, data=data, name=name)
    assert Attachment.from_path(path) == expected
    assert Attachment.from_path(str(path)) == expected
    assert Attachment.from_bytes(data, name=name) == expected


def test_what_a_file_is_and_is_called_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "sound"
    path.write_bytes(b"\0\xff")
    made = Attachment.from_path(path, media_type="audio/wav", name="a.wav")
    assert (made.media_type, made.name) == ("audio/wav", "a.wav")
    assert Attachment.from_bytes(b"words").name is None


@pytest.mark.parametrize("data", [b"\0\1\2", b"PK\3\4\0", "é".encode("latin-1"), b"BM\xff\0"])
def test_what_no_model_reads_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "thing.bin"
    path.write_bytes(data)
    with pytest.raises(AttachmentError, match=r"thing\.bin is neither an image"):
        Attachment.from_path(path)
    with pytest.raises(AttachmentError, match="the attachment is neither"):
        Attachment.from_bytes(data)


@pytest.mark.parametrize(
    ("kind", "start"), [("image", PNG), ("pdf", b"%PDF-1.7"), ("text", b"words")]
)
def test_a_file_may_be_as_large_as_its_kind_allows(tmp_path: Path, kind: str, start: bytes) -> None:
    path = tmp_path / "large"
    limit = SIZE_LIMITS[kind]
    fill = b" " if kind == "text" else b"\0"
    path.write_bytes(start.ljust(limit, fill))
    assert len(Attachment.from_path(path).data or b"") == limit
    path.write_bytes(start.ljust(limit + 1, fill))
    with pytest.raises(AttachmentError, match=rf"{path} is too large.*at most") as caught:
        Attachment.from_path(path)
    assert (caught.value.details["size"], caught.value.details["limit"]) == (limit + 1, limit)


def test_a_huge_file_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    path.touch()
    os.truncate(path, 2**40)
    with pytest.raises(AttachmentError, match=r"1048576\.0 MiB"):
        Attachment.from_path(path)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, complaint in (
        (pipe, "not a file"),
        (Path("/dev/zero"), "not a file"),
        (tmp_path, "cannot be read: Is a directory"),
        (tmp_path / "missing", "cannot be read: No such file"),
    ):
        with pytest.raises(AttachmentError, match=f"{path.name}.*{complaint}"):
            Attachment.from_path(path)


@pytest.mark.parametrize(
    ("url", "media_type", "name"),
    [
        ("https://example.com/a/cat.png?size=2", "image/png", "cat.png"),
        ("http://example.com/two%20words.PDF", "application/pdf", "two words.PDF"),
    ],
)
def test_an_address_is_what_its_ending_says(url: str, media_type: str, name: str) -> None:
    assert Attachment.from_url(url) == Attachment(media_type=media_type, url=url, name=name)


def test_an_address_that_does_not_tell_is_told() -> None:
    with pytest.raises(AttachmentError, match="does not tell"):
        Attachment.from_url("https://example.com/")
    made = Attachment.from_url("https://example.com/", media_type="image/png")
    assert (made.media_type, made.name) == ("image/png", None)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "cat.png", "https:///cat.png", "data:,a"])
def test_only_addresses_on_the_web_are_passed_on(url: str) -> None:
    with pytest.raises(AttachmentError, match="no http"):
        Attachment.from_url(url)


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("image/png", "image"),
        ("IMAGE/PNG", "image"),
        ("text/html; charset=utf-8", "text"),
        ("application/json", "text"),
        ("application/pdf", "pdf"),
        ("video/mp4", "video"),
        ("application/zip", "other"),
        ("", "other"),
    ],
)
def test_kinds_of_content(media_type: str, kind: str) -> None:
    assert kind_of(media_type) == kind
