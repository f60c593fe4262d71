"""Keys of known shapes, and those in use, do not leave; words that look a little like them do."""

from __future__ import annotations

import pytest
from export_sample import sample

from omni_tui.core.messages import Attachment, Message, Text, ToolResult, ToolUse
from omni_tui.session.export import Redactor, to_json
from omni_tui.session.export.redact import MARK, secrets_of
from omni_tui.session.store.base import SessionRecord, StoredSession
from omni_tui.session.tree import Tree

A = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0"

SECRETS = [
    f"sk-{A}",
    f"sk-ant-api03-{A}-{A}",
    f"sk-proj-{A}",
    f"sk-or-v1-{A}",
    f"sk_live_{A}",
    f"ghp_{A}",
    f"gho_{A}",
    f"github_pat_{A}",
    f"glpat-{A}",
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    f"AIza{A[:35]}",
    f"xoxb-{A}",
    f"hf_{A}",
    f"gsk_{A}",
    f"npm_{A}",
    f"pypi-{A}{A}",
    f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{A}",
    f"-----BEGIN RSA PRIVATE KEY-----\n{A}\n{A}\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{A}",
    f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n{A}\n-----END PGP PRIVATE KEY BLOCK-----",
]


@pytest.mark.parametrize("secret", SECRETS, ids=lambda text: text[:20].replace("\n", " "))
@pytest.mark.parametrize("form", ["{}", "export KEY={}\n", '"{}"', "x {} y", "({})"])
def test_a_secret_is_replaced_wherever_it_stands(secret: str, form: str) -> None:
    text = Redactor(()).text(form.format(secret))
    assert A[:16] not in text
    assert secret not in text
    assert MARK in text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"Authorization: Bearer {A}", f"Authorization: Bearer {MARK}"),
        (f"aws_secret_access_key = {A}", f"aws_secret_access_key = {MARK}"),
        (f'"api_key": "{A}"', f'"api_key": "{MARK}"'),
        ("password=hunter2hunter2", f"password={MARK}"),
        ("postgres://ann:s3cret@db/x", f"postgres://{MARK}@db/x"),
    ],
)
def test_what_stands_after_a_name_is_replaced_and_the_name_stays(text: str, left: str) -> None:
    assert Redactor(()).text(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "the task-oriented approach",
        "risk-based-assessment-of-everything",
        "a token is a word",
        "my secret: none",
        "Bearer of bad news",
        "https://example.org/a:b@c",
        "AKIA and friends",
        "disk_usage_of_the_whole_machine",
        "-----BEGIN CERTIFICATE-----",
        "git@github.com:a/b.git",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert Redactor(()).text(text) == text


def test_the_secrets_of_the_environment_are_those_with_telling_names() -> None:
    environment = {
        "GROQ_API_KEY": "tiger-in-the-tank",
        "GH_TOKEN": "lion-in-the-den",
        "DB_PASSWORD": "bear-in-the-wood",
        "KEYBOARD": "us-international",
        "PATH": "/usr/bin:/bin",
        "SHORT_KEY": "abc",
    }
    secrets = secrets_of(environment)
    assert secrets == ("tiger-in-the-tank", "lion-in-the-den", "bear-in-the-wood")
    redactor = Redactor(secrets)
    assert redactor.text("a tiger-in-the-tank and abc") == f"a {MARK} and abc"


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert Redactor(["tiger-one", "tiger-one-two"]).text("tiger-one-two") == MARK


def test_every_text_of_a_session_is_looked_through() -> None:
    secret = f"sk-{A}"
    tree = Tree()
    tree.push(
        Message.user([Text(text=secret), Attachment(media_type="text/plain", data=secret.encode())])
    )
    use = ToolUse(
        id="t", name="bash", input={"env": {"API_KEY": "short"}, "x": [secret], secret: 1}
    )
    tree.push(Message.assistant([use]), error=secret, label=secret)
    result = ToolResult(tool_use_id="t", name="bash", content=secret, data={"diff": secret})
    tree.push(Message.user([result]))
    record = SessionRecord(
        id="s", title=secret, system=secret, options={"a": secret}, drafts={"1": secret}
    )
    clean = Redactor(()).session(StoredSession(record, tree))
    text = "".join(to_json(clean))
    assert A not in text
    assert "short" not in text
    (file,) = [b for b in clean.tree[1].message.content if isinstance(b, Attachment)]
    assert file.data == MARK.encode()
    assert A in "".join(to_json(StoredSession(record, tree)))  # the session itself is as it was


def test_a_session_without_secrets_comes_through_unchanged() -> None:
    stored = sample()
    clean = Redactor(()).session(stored)
    assert "".join(to_json(clean)) == "".join(to_json(stored))
    assert clean.tree.path == stored.tree.path
