"""The page holds all branches, needs nothing else, and no words of anybody act in it."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from export_sample import EVIL, sample

from omni_tui.cli.markdown_html import markdown_renderer
from omni_tui.session.export import plain_text, to_html
from omni_tui.session.export.html import Render
from omni_tui.session.export.page import SCRIPT
from omni_tui.session.store.base import StoredSession

VOID = {"meta", "img", "br", "hr"}


class Reader(HTMLParser):
    """Takes a page apart and holds it to its structure."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts += data
        elif self._open and self._open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(stored: StoredSession, *, everything: bool = False, render: Render = plain_text) -> Reader:
    return Reader("".join(to_html(stored, everything=everything, render=render)))


def test_every_branch_is_there_and_the_one_in_view_is_marked() -> None:
    made = page(sample())
    articles = {each["id"]: each for each in made.all("article")}
    assert list(articles) == ["n1", "n2", "n3", "n5", "n6", "n7", "n9"]
    on = [id for id, each in articles.items() if "on" in (each["class"] or "").split()]
    assert on == ["n1", "n5", "n6", "n7"]
    assert articles["n5"]["data-parent"] == "n1"
    assert made.all("main") == [{"data-head": "n7"}]
    rows = [each["href"] for each in made.all("a") if each.get("href")]
    assert {"#n1", "#n2", "#n3", "#n9"} <= set(rows)
    assert "3/3" in made.text
    assert "First" in made.text
    assert "Never mind" not in made.text


def test_what_is_hidden_comes_only_if_asked_for() -> None:
    made = page(sample(), everything=True)
    articles = {each["id"]: each for each in made.all("article")}
    assert "pruned" in (articles["n4"]["class"] or "")
    assert "data-aside" in articles["n8"]


@pytest.mark.parametrize("render", [plain_text, markdown_renderer()], ids=["plain", "markdown"])
def test_hostile_words_stay_words(render: Render) -> None:
    made = page(sample(EVIL), everything=True, render=render)
    assert made.scripts == SCRIPT
    assert len(made.all("script")) == 1
    for tag, attributes in made.elements:
        assert tag not in ("iframe", "object", "embed", "form", "link", "base", "svg")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("#n", "data:image/png;base64,"))
    assert "<script>alert(1)</script>" in made.text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", made.text)


def test_the_page_forbids_itself_all_but_its_own_script_and_style() -> None:
    text = "".join(to_html(sample(EVIL)))
    made = Reader(text)
    (policy,) = [
        each["content"] or ""
        for each in made.all("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    for body in (SCRIPT, style[1]):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert not re.search(r"https?://(?!evil)", style[1] + SCRIPT)


def test_markdown_is_rendered_without_markup_pictures_or_dangerous_links() -> None:
    render = markdown_renderer()
    assert render("**b** `c`") == "<p><strong>b</strong> <code>c</code></p>\n"
    assert "<table>" in render("|a|\n|-|\n|b|\n")
    assert 'href="https://x.example"' in render("[l](https://x.example)")
    for text in ("[l](javascript:x)", "[l](data:text/html,x)", "[l](file:///etc/passwd)"):
        assert "href" not in render(text)
    assert "<img" not in render("![p](https://x.example/p.png)")
    assert "<b>" not in render("<b>x</b>")


def test_a_long_session_is_made_in_pieces() -> None:
    stored = sample()
    for number in range(500):
        stored.tree.add(stored.tree[2].message, parent=stored.tree.head, label=str(number))
    pieces = list(to_html(stored))
    assert len(pieces) > 1000
    assert max(map(len, pieces)) < 30_000


DOM = """
const make = (id, parent, aside) => ({
  id, dataset: aside ? { parent, aside: "" } : { parent }, scrollIntoView() {},
  classes: new Set(),
  get classList() {
    return { add: (c) => this.classes.add(c), remove: (c) => this.classes.delete(c) };
  },
});
const cards = %s.map(([id, parent]) => make(id, parent, false));
let clicked;
globalThis.location = { hash: "" };
globalThis.history = { replaceState() {} };
globalThis.document = {
  querySelectorAll: (what) => what === "article" ? cards : [],
  querySelector: () => ({ dataset: { head: "n7" } }),
  addEventListener: (_, handler) => { clicked = handler; },
  documentElement: { classList: { add() {} } },
};
%s
const on = () => cards.filter((card) => card.classes.has("on")).map((card) => card.id).join(" ");
const go = (id) => {
  clicked({ target: { closest: () => ({ hash: "#" + id }) }, preventDefault() {} });
  return on();
};
console.log(on()); console.log(go("n2")); console.log(go("n9")); console.log(go("n1"));
console.log(go("n5"));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_script_shows_one_branch_and_remembers_where_one_was(tmp_path: Path) -> None:
    nodes = '[["n1",""],["n2","n1"],["n3","n1"],["n5","n1"],["n6","n5"],["n7","n6"],["n9",""]]'
    file = tmp_path / "page.js"
    file.write_text(DOM % (nodes, SCRIPT))
    done = subprocess.run(
        ["node", str(file)], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["n1 n5 n6 n7", "n1 n2", "n9", "n1 n2", "n1 n5 n6 n7"]
