from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from textual.geometry import Size
from textual.pilot import Pilot
from textual.strip import Strip
from tree_app import TreeApp, travels

from omni_tui.core.messages import Message
from omni_tui.session.tree import Node, Tree
from omni_tui.tui.tree_layout import Row
from omni_tui.tui.widgets.tree_pane import TreePane

SnapCompare = Callable[..., bool]


def long_talk(turns: int) -> Tree:
    tree = Tree()
    for number in range(turns):
        tree.push(Message.user(f"question {number}"))
        tree.push(Message.assistant(f"answer {number}"))
    return tree


def forked() -> Tree:
    """q → a (1/2) → more, and q → b (2/2) → last; the head is on b's line.

    From top to bottom: 1, 4 (b), 2 and 3 beside it (a, more), 5 (last).
    """
    tree = Tree()
    tree.push(Message.user("q"))
    tree.push(Message.assistant("a"))
    tree.push(Message.user("more"))
    tree.add(Message.assistant("b"), parent=1)
    tree.navigate(4)
    tree.push(Message.user("last"))
    return tree


# What is drawn


async def test_the_title_counts_the_active_path_and_all_rows() -> None:
    app = TreeApp(forked())
    async with app.run_test(size=(30, 12)):
        assert app.lines[:2] == [" tree                    3/5", ""]


async def test_rows_show_sign_words_and_position_among_siblings() -> None:
    app = TreeApp(forked())
    async with app.run_test(size=(30, 12)):
        assert app.rows == [
            " ● q",
            " ● b                     2/2",
            " ├ ○ a                   1/2",
            " │ ⊘ more",
            " ⊘ last",
        ]


async def test_signs_and_lines_can_be_plain_ascii() -> None:
    tree, marks = travels()
    tree.update(1, label="rivers")
    app = TreeApp(tree, marks, ascii=True)
    async with app.run_test(size=(30, 30)):
        rows = app.rows
    signs = {row.lstrip(" |`-")[:1] or "-" for row in rows if not row.startswith(" `--")}

    assert all(row.isascii() for row in rows if "中" not in row and "梅" not in row)
    assert signs >= set("*o~?x+")
    assert " |-o Muchu Chhish, in..  2/3" in rows


async def test_an_empty_tree_says_so() -> None:
    app = TreeApp(Tree())
    async with app.run_test(size=(30, 10)) as pilot:
        assert app.rows == [" no messages yet"]
        await pilot.press("down", "up", "enter", "right", "left", "[", "G", "pagedown")
        await pilot.click(TreePane, offset=(3, 2))

    assert app.posted == []


@pytest.mark.parametrize("width", [1, 3, 8, 16, 20, 30, 47])
async def test_every_line_is_exactly_as_wide_as_the_pane(width: int) -> None:
    tree, marks = travels()
    tree.push(Message.user("👨‍👩‍👧 family 🏔️ " + "é́́" * 60 + "漢字" * 30))
    app = TreeApp(tree, marks)
    async with app.run_test(size=(width, 30)):
        region = app.pane.scrollable_content_region
        strips = app.pane.render_lines(region.reset_offset)
        widths = {cell_len(strip.text) for strip in strips}

    assert widths == {region.width}


async def test_a_row_cut_short_ends_in_an_ellipsis() -> None:
    tree = Tree()
    tree.push(Message.user("word " * 40))
    tree.push(Message.assistant("漢字" * 40))
    app = TreeApp(tree)
    async with app.run_test(size=(20, 8)):
        assert app.rows == [" ⊘ word word word…".replace("⊘", "●"), " ● 漢字漢字漢字漢…"]


async def test_deep_forks_leave_half_of_the_width_to_the_words() -> None:
    tree = Tree()
    for number in range(31):
        tree.push(Message.user(f"old {number}"))
    for fork in reversed(tree.path[:-1]):
        tree.add(Message.user(f"young {fork}"), parent=fork)
    app = TreeApp(tree)
    async with app.run_test(size=(30, 70)):
        assert any(row.startswith(" … ") for row in app.rows)
        assert all(len(row) - len(row.lstrip(" …│├└")) <= 15 for row in app.rows)


async def test_only_rows_in_sight_are_read() -> None:
    source = long_talk(500)
    nodes = [
        Node(n.id, n.parent_id, n.raw, n.kind, created_at=n.created_at)
        for n in source.nodes.values()
    ]
    tree = Tree.from_rows(nodes, cursors=source.cursors, head=source.head)
    app = TreeApp(tree)
    async with app.run_test(size=(30, 20)) as pilot:
        await pilot.pause()
        read = [node.id for node in tree.nodes.values() if node._message is not None]

    assert read == list(range(983, 1001))


HOSTILE = [
    *(f"a{chr(code)}b" for code in (*range(0x20), *range(0x7F, 0xA0))),
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b]0;title\x1b\\",
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x1b[2J\x1b[H\x1b[?1049l",
    "\x9b31m\x9d0;x\x9c",
    "\x1bP$qm\x1b\\\x1b_x\x1b\\",
    "over\rwrite\b\b\b",
    "\u202egnp.exe\u2066\u200f\u061c",
    "tag\U000e0041\U000e007f",
    "zero\u200bwidth\ufeff",
    "[/x] [/] [b]bold[/b]",
    "[@click=app.quit]press[/]",
    "[link=https://evil.example]here[/link]",
    "x[1:2] a[i] [INFO] list[str]",
    "\ud800 lone",
]


@pytest.mark.parametrize("where", ["prompt", "answer", "label"])
async def test_hostile_text_reaches_no_strip(where: str) -> None:
    tree = Tree()
    for text in HOSTILE:
        label = text if where == "label" else None
        message = Message.assistant(text) if where == "answer" else Message.user(text)
        tree.push(message, label=label)
        tree.push(Message.user("between") if where == "answer" else Message.assistant("between"))
    app = TreeApp(tree)
    async with app.run_test(size=(60, len(tree) + 4)):
        region = app.pane.scrollable_content_region
        strips = app.pane.render_lines(region.reset_offset)
        text = "".join(strip.text for strip in strips)
        metas = [segment.style.meta for s in strips for segment in s if segment.style is not None]

    assert {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs")} == set()
    assert not any("@click" in meta for meta in metas)
    for shown in ("[/x] [/] [b]bold[/b]", "[@click=app.quit]press[/]", "list[str]"):
        assert shown in text


# Keys and the mouse


@pytest.mark.parametrize(
    ("start", "keys", "cursor"),
    [
        (5, ["up"], 3),
        (5, ["k", "k"], 2),
        (1, ["down", "j"], 2),
        (1, ["up"], 1),
        (5, ["down"], 5),
        (5, ["g"], 1),
        (5, ["home"], 1),
        (1, ["G"], 5),
        (1, ["end"], 5),
        (5, ["pageup"], 1),
        (1, ["pagedown"], 5),
        (5, ["left"], 4),
        (4, ["left"], 1),
        (1, ["left"], 1),
        (1, ["right"], 4),
        (2, ["right"], 3),
        (3, ["right"], 3),
        (4, ["shift+up"], 2),
        (4, ["left_square_bracket"], 2),
        (2, ["shift+down"], 4),
        (2, ["right_square_bracket"], 4),
        (2, ["left_square_bracket"], 2),
        (4, ["right_square_bracket"], 4),
        (1, ["right_square_bracket"], 1),
    ],
)
async def test_keys_move_the_cursor_and_preview(start: int, keys: list[str], cursor: int) -> None:
    tree = forked()
    tree.navigate(start)
    app = TreeApp(tree)
    async with app.run_test(size=(30, 12)) as pilot:
        await pilot.press(*keys)

        assert app.cursor == cursor
        assert app.posted[-1:] == ([] if cursor == start else [("preview", cursor)])
        assert tree.head == start


async def test_right_goes_to_the_branch_last_chosen() -> None:
    tree = forked()
    tree.navigate(3)
    tree.navigate(1)
    app = TreeApp(tree)
    async with app.run_test(size=(30, 12)) as pilot:
        await pilot.press("right", "right")

        assert app.cursor == 3


async def test_enter_asks_for_the_branch_under_the_cursor() -> None:
    app = TreeApp(forked())
    async with app.run_test(size=(30, 12)) as pilot:
        await pilot.press("up", "up", "enter")

    assert app.posted == [("preview", 3), ("preview", 2), ("switch", 2)]


async def test_a_click_previews_and_a_second_one_switches() -> None:
    app = TreeApp(forked())
    async with app.run_test(size=(30, 12)) as pilot:
        await pilot.click(TreePane, offset=(5, 4))
        assert app.posted == [("preview", 2)]

        await pilot.click(TreePane, offset=(5, 4), times=2)
        assert app.posted == [("preview", 2), ("switch", 2)]


async def test_clicks_beside_the_rows_do_nothing() -> None:
    app = TreeApp(forked())
    async with app.run_test(size=(30, 12)) as pilot:
        for y in (0, 1, 7, 11):
            await pilot.click(TreePane, offset=(5, y))

    assert app.posted == []


async def test_a_click_hits_the_row_that_was_scrolled_there() -> None:
    app = TreeApp(long_talk(50))
    async with app.run_test(size=(30, 12)) as pilot:
        await pilot.press("g")
        await pilot.press(*["down"] * 14)
        assert app.rows[0] == " ● answer 2"
        await pilot.click(TreePane, offset=(5, 2))

        assert app.cursor == 6


# Following, scrolling, growing


async def test_the_cursor_starts_in_sight_at_the_head() -> None:
    tree = long_talk(50)
    tree.navigate(50)
    app = TreeApp(tree)
    async with app.run_test(size=(30, 12)) as pilot:
        await pilot.pause()
        assert app.cursor == 50
        assert app.rows.index(" ○ answer 24".replace("○", "●")) == 5


async def test_the_title_stays_while_rows_scroll() -> None:
    app = TreeApp(long_talk(50))
    async with app.run_test(size=(30, 12)) as pilot:
        for keys, first in ((["g"], "question 0"), (["pagedown", "pagedown"], "answer 4")):
            await pilot.press(*keys)
            assert app.lines[0].startswith(" tree")
            assert app.rows[0].endswith(first)


async def test_without_focus_the_cursor_follows_the_head() -> None:
    tree = forked()
    app = TreeApp(tree, width=30, focus=False)
    async with app.run_test(size=(40, 12)):
        tree.push(Message.assistant("new"))
        app.pane.refresh_tree()
        assert app.cursor == 6

        tree.navigate(3)
        app.pane.refresh_tree()
        assert app.cursor == 3

    assert app.posted == []


async def test_with_focus_the_cursor_stays_where_a_person_put_it() -> None:
    tree = forked()
    app = TreeApp(tree)
    async with app.run_test(size=(30, 12)) as pilot:
        tree.push(Message.assistant("new"))
        app.pane.refresh_tree()
        assert app.cursor == 6

        await pilot.press("g")
        tree.push(Message.user("newer"))
        app.pane.refresh_tree()
        assert app.cursor == 1
        assert app.rows[-1] == " ⊘ newer"


async def test_a_switch_moves_no_row() -> None:
    tree, marks = travels()
    app = TreeApp(tree, marks)
    async with app.run_test(size=(60, 40)) as pilot:
        before = [row.strip(" ●○◐?✗⊘★┃│├└") for row in app.rows]
        for node_id in tree.tips():
            tree.navigate(node_id)
            app.pane.refresh_tree()
            await pilot.pause()
            assert [row.strip(" ●○◐?✗⊘★┃│├└") for row in app.rows] == before


async def test_rows_that_come_above_leave_the_cursor_where_it_is_on_screen() -> None:
    tree = long_talk(30)
    aside = tree.add(Message.user("aside"), parent=10)
    tree.push(Message.user("main"))
    app = TreeApp(tree)
    async with app.run_test(size=(30, 12)) as pilot:
        await pilot.press(*["up"] * 14)
        place, cursor = app.pane.cursor_row, app.cursor
        assert place is not None
        line, index = app.lines, place.index
        for _ in range(3):
            tree.add(Message.assistant("background"), parent=aside.id)
        app.pane.refresh_tree()
        await pilot.pause()

        moved = app.pane.cursor_row
        assert moved is not None
        assert (app.cursor, moved.index) == (cursor, index + 3)
        assert app.lines[2:] == line[2:]


@pytest.mark.parametrize("key", ["up", "down"])
async def test_scrolling_draws_only_the_rows_that_come_into_view(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = TreeApp(long_talk(500))
    async with app.run_test(size=(30, 20)) as pilot:
        await pilot.press("g", *["down"] * 40)
        await pilot.press(*[key] * 20)
        drawn: list[int] = []
        draw = TreePane._draw

        def noted(pane: TreePane, row: Row) -> Strip:
            drawn.append(row.index)
            return draw(pane, row)

        monkeypatch.setattr(TreePane, "_draw", noted)
        before = app.pane.cursor_row
        assert before is not None
        await pilot.press(key)
        after = app.pane.cursor_row

    assert after is not None
    assert sorted(drawn) == sorted((before.index, after.index))


async def test_the_scroll_bar_follows_the_rows() -> None:
    app = TreeApp(long_talk(500))
    async with app.run_test(size=(30, 20)) as pilot:
        bar = app.pane.vertical_scrollbar
        seen = []
        for key in ("g", "pagedown", "G"):
            await pilot.press(*[key] * 20)
            seen.append(bar.position)
            moved = abs(bar.position - app.pane.scroll_y)
            assert moved * 8 * app.pane.size.height / app.pane.virtual_size.height <= 1

    assert seen == sorted(set(seen))


async def test_leaving_the_pane_sends_the_cursor_home() -> None:
    app = TreeApp(forked(), width=30)
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.press("g")
        await pilot.click("Button")

        assert app.cursor == 5
        assert app.posted == [("preview", 1), ("preview", 5)]


async def test_the_cursor_stays_when_only_the_window_loses_focus() -> None:
    app = TreeApp(forked(), width=30)
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.press("g")
        app.app_focus = False
        await pilot.pause()
        app.pane.refresh_tree()

        assert not app.pane.has_focus
        assert app.cursor == 1


async def test_a_cursor_whose_row_was_removed_goes_to_the_head() -> None:
    tree = forked()
    app = TreeApp(tree)
    async with app.run_test(size=(30, 12)) as pilot:
        await pilot.press("up")
        assert app.cursor == 3
        tree.remove(2)
        await pilot.press("enter")

        assert app.cursor == 5
        assert app.posted[-1] == ("switch", 5)


async def test_a_tree_that_changed_meanwhile_is_drawn_as_it_is() -> None:
    tree = forked()
    app = TreeApp(tree)
    async with app.run_test(size=(30, 12)) as pilot:
        tree.remove(2)
        await pilot.resize_terminal(28, 12)
        await pilot.pause()

        assert app.rows == [" ● q", " ● b", " ⊘ last"]


async def test_marks_and_labels_are_asked_for_again_on_refresh() -> None:
    tree = forked()
    running: set[int] = set()
    app = TreeApp(tree, lambda node_id: "running" if node_id in running else None)
    async with app.run_test(size=(30, 12)):
        assert app.rows[-1] == " ⊘ last"
        running.add(5)
        tree.update(2, label="first")
        app.pane.refresh_tree()

        assert app.rows[-1] == " ◐ last"
        assert app.rows[2] == ' ├ ★ "first"             1/2'


async def test_showing_another_tree_starts_at_its_head() -> None:
    app = TreeApp(long_talk(50))
    async with app.run_test(size=(30, 12)) as pilot:
        await pilot.press("up")
        app.pane.show(forked())
        await pilot.pause()

        assert app.cursor == 5
        assert app.rows[0] == " ● q"
        assert app.pane.virtual_size == Size(0, 7)


async def test_a_hidden_pane_finds_its_cursor_when_it_is_shown() -> None:
    app = TreeApp(long_talk(50), focus=False)
    async with app.run_test(size=(30, 12)) as pilot:
        app.pane.display = False
        await pilot.pause()
        app.pane.show(long_talk(80))
        app.pane.display = True
        await pilot.pause()

        assert app.rows[-1] == " ● answer 79"


# Pictures


async def look_around(pilot: Pilot[None]) -> None:
    await pilot.press("down", "down")


def test_picture_of_three_branches(snap_compare: SnapCompare) -> None:
    tree, marks = travels()
    assert snap_compare(TreeApp(tree, marks), terminal_size=(30, 40), run_before=look_around)


def test_picture_of_a_narrow_pane(snap_compare: SnapCompare) -> None:
    tree, marks = travels()
    assert snap_compare(TreeApp(tree, marks, focus=False), terminal_size=(20, 24))


def test_picture_in_ink_on_paper(snap_compare: SnapCompare) -> None:
    tree, marks = travels()
    app = TreeApp(tree, marks, theme_name="omni-light")
    assert snap_compare(app, terminal_size=(30, 24), run_before=look_around)


def test_picture_in_ascii(snap_compare: SnapCompare) -> None:
    tree, marks = travels()
    app = TreeApp(tree, marks, ascii=True, theme_name="omni-contrast", focus=False)
    assert snap_compare(app, terminal_size=(30, 24))
