"""The style and the script of an exported page; both stand in the page itself."""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f7f7f5; --card: #ffffff; --ink: #1f2328; --soft: #5c6570; --line: #dcdfe3;
  --you: #0b6e99; --model: #0f7b5f; --tools: #8a5a00; --bad: #b3261e; --code: #f1f2f4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --card: #1c2024; --ink: #e3e6e8; --soft: #97a1ab; --line: #31373d;
    --you: #6cb8e6; --model: #5fd0ae; --tools: #e0b15c; --bad: #ff8a80; --code: #121518;
  }
  pre { border: 1px solid var(--line); }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header { padding: 1.6rem 1.5rem 1rem; border-bottom: 1px solid var(--line); }
h1 { margin: 0 0 .2rem; font-size: 1.45rem; line-height: 1.3; overflow-wrap: anywhere; }
header p, .about { margin: 0; color: var(--soft); font-size: .85rem; }
.both { display: flex; align-items: flex-start; max-width: 84rem; margin: 0 auto; }
nav.tree { position: sticky; top: 0; flex: 0 0 19rem; max-height: 100vh; overflow: auto;
  padding: 1rem .6rem 2rem 1rem; font-size: .85rem; }
nav.tree a { display: block; padding: .15rem .5rem; border-left: 3px solid transparent;
  color: var(--soft); text-decoration: none; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; border-radius: 3px; }
nav.tree a:hover { color: var(--ink); background: var(--card); }
nav.tree a.on { color: var(--ink); border-left-color: var(--you); }
nav.tree .label { color: var(--tools); }
.d1 { margin-left: .9rem; } .d2 { margin-left: 1.8rem; } .d3 { margin-left: 2.7rem; }
.d4 { margin-left: 3.6rem; } .d5 { margin-left: 4.5rem; } .d6 { margin-left: 5.4rem; }
main { flex: 1 1 auto; min-width: 0; padding: 1rem 1.5rem 6rem; }
article { max-width: 52rem; margin: 0 auto 1rem; padding: .8rem 1.1rem; background: var(--card);
  border: 1px solid var(--line); border-left: 4px solid var(--model); border-radius: 6px;
  overflow-wrap: anywhere; }
article.prompt { border-left-color: var(--you); }
article.results, article.summary { border-left-color: var(--tools); }
article.pruned { opacity: .7; }
article:target { outline: 2px solid var(--you); outline-offset: 2px; }
.js article:not(.on) { display: none; }
article h2 { display: inline; margin: 0; font-size: .95rem; color: var(--model); }
article.prompt h2 { color: var(--you); }
article.results h2, article.summary h2 { color: var(--tools); }
.about { display: inline; margin-left: .5rem; }
.bad { color: var(--bad); }
.versions { float: right; font-size: .85rem; color: var(--soft); }
.versions a { display: inline-block; min-width: 1.5rem; text-align: center; color: inherit;
  text-decoration: none; border: 1px solid var(--line); border-radius: 4px; }
.versions a:hover, .versions a:focus { color: var(--ink); border-color: var(--you); }
.plain { white-space: pre-wrap; margin: .6rem 0 .2rem; }
article p:last-child { margin-bottom: .2rem; }
pre { margin: .6rem 0; padding: .7rem .9rem; background: var(--code); border-radius: 5px;
  overflow-x: auto; font: .85rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .9em; }
pre code { font-size: inherit; }
:not(pre) > code { padding: .1em .3em; background: var(--code); border-radius: 3px; }
blockquote { margin: .6rem 0; padding-left: 1rem; border-left: 3px solid var(--line);
  color: var(--soft); }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .25rem .7rem; border: 1px solid var(--line); text-align: left; }
img { max-width: 100%; }
article a { color: var(--you); }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--soft); font-size: .9rem; }
@media (max-width: 60rem) {
  .both { display: block; }
  nav.tree { position: static; max-height: 14rem; border-bottom: 1px solid var(--line); }
  main { padding: 1rem .6rem 4rem; }
}
@media print {
  nav.tree, .versions a { display: none; }
  article { break-inside: avoid-page; }
}
"""

SCRIPT = """
"use strict";
(() => {
  const cards = new Map(), parents = new Map(), below = new Map(), chosen = new Map();
  for (const card of document.querySelectorAll("article")) {
    const id = card.id, parent = card.dataset.parent || "";
    cards.set(id, card);
    parents.set(id, parent);
    if (card.dataset.aside === undefined) {
      if (!below.has(parent)) below.set(parent, []);
      below.get(parent).push(id);
    }
  }
  const rows = new Map();
  for (const row of document.querySelectorAll("nav.tree a")) rows.set(row.hash.slice(1), row);
  let shown = [];

  function choose(id) {
    for (let at = id; at; at = parents.get(at)) chosen.set(parents.get(at), at);
  }
  function show(id) {
    choose(id);
    const path = [];
    for (let at = id; at; at = parents.get(at)) path.push(at);
    path.reverse();
    for (let at = id; below.has(at);) {
      const last = below.get(at);
      at = chosen.get(at) || last[last.length - 1];
      path.push(at);
    }
    for (const old of shown) {
      cards.get(old).classList.remove("on");
      if (rows.has(old)) rows.get(old).classList.remove("on");
    }
    for (const now of path) {
      cards.get(now).classList.add("on");
      if (rows.has(now)) rows.get(now).classList.add("on");
    }
    shown = path;
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#n"]');
    const id = link && link.hash.slice(1);
    if (!id || !cards.has(id)) return;
    event.preventDefault();
    show(id);
    history.replaceState(null, "", "#" + id);
    cards.get(id).scrollIntoView({ block: "nearest" });
  });
  const head = document.querySelector("main").dataset.head || (below.get("") || [])[0];
  if (head) show(head);
  const wanted = location.hash.slice(1);
  if (cards.has(wanted)) show(wanted);
  document.documentElement.classList.add("js");
})();
"""


def policy() -> str:
    """What the page may do: its own style and script by their digests, images it holds, no more."""
    return (
        f"default-src 'none'; style-src '{_digest(STYLE)}'; script-src '{_digest(SCRIPT)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    made = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(made).decode('ascii')}"
