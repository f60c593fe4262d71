"""Themes: the shipped ones can be read by people, and a broken file breaks nothing."""

from itertools import product
from pathlib import Path

import pytest

from omni_tui.config.themes import (
    COLORS,
    DEFAULT_THEME,
    VARIABLES,
    ThemeFile,
    load_themes,
    parse_theme,
)
from omni_tui.core.errors import ConfigError

SHIPPED = ("omni-contrast", "omni-dark", "omni-light")
MINIMAL = 'name = "mine"\ndark = true\n' + "".join(f'{key} = "#123"\n' for key in COLORS)


def luminance(color: str) -> float:
    digits = color.lstrip("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def shipped(name: str) -> ThemeFile:
    return load_themes()[0][name]


def test_the_ratio_is_that_of_wcag() -> None:
    assert contrast("#fff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


def test_three_themes_are_shipped_without_a_notice() -> None:
    themes, notices = load_themes()
    assert sorted(themes) == list(SHIPPED)
    assert notices == []
    assert DEFAULT_THEME in themes


@pytest.mark.parametrize("name", SHIPPED)
def test_words_are_readable_on_every_ground(name: str) -> None:
    theme = shipped(name)
    grounds = (
        theme.background,
        theme.surface,
        theme.panel,
        theme.variables["omni-code-background"],
        theme.variables["omni-selection"],
    )
    inks = (
        theme.variables["omni-muted"],
        theme.accent,
        theme.primary,
        theme.secondary,
        theme.success,
        theme.warning,
        theme.error,
        theme.variables["omni-warn"],
        theme.variables["omni-added"],
        theme.variables["omni-removed"],
    )
    assert min(contrast(theme.foreground, ground) for ground in grounds) >= 7
    assert min(contrast(ink, ground) for ink, ground in product(inks, grounds)) >= 4.5


def test_high_contrast_holds_seven_to_one_for_every_ink() -> None:
    theme = shipped("omni-contrast")
    inks = [getattr(theme, key) for key in COLORS if key not in ("background", "surface", "panel")]
    inks.append(theme.variables["omni-muted"])
    assert min(contrast(ink, theme.background) for ink in inks) >= 7
    assert contrast(theme.variables["omni-faint"], theme.background) >= 3


@pytest.mark.parametrize("name", SHIPPED)
def test_darkness_is_told_truly_and_every_variable_of_ours_is_set(name: str) -> None:
    theme = shipped(name)
    assert theme.dark == (luminance(theme.background) < luminance(theme.foreground))
    assert set(VARIABLES) <= set(theme.variables)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_cursor_row_and_selections_keep_words_readable(name: str) -> None:
    variables = shipped(name).variables
    for part in ("block-cursor", "block-cursor-blurred", "input-cursor", "footer"):
        assert contrast(variables[f"{part}-foreground"], variables[f"{part}-background"]) >= 4.5
    assert contrast(shipped(name).foreground, variables["input-selection-background"]) >= 4.5


def test_a_file_with_colours_only_gets_variables_made_from_them() -> None:
    theme = parse_theme(MINIMAL.replace('warning = "#123"', 'warning = "#FA0"'), "mine.toml")
    assert theme.variables["omni-warn"] == "#fa0"
    assert set(theme.variables) == set(VARIABLES)


def test_a_users_file_wins_by_name_and_adds_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(MINIMAL)
    (tmp_path / "b.toml").write_text(MINIMAL.replace('"mine"', '"omni-dark"'))
    (tmp_path / "notes.txt").write_text("not a theme")
    themes, notices = load_themes(tmp_path)
    assert notices == []
    assert set(themes) == {*SHIPPED, "mine"}
    assert themes["omni-dark"].primary == "#123"


def test_a_missing_folder_is_no_themes(tmp_path: Path) -> None:
    themes, notices = load_themes(tmp_path / "none")
    assert set(themes) == set(SHIPPED)
    assert notices == []


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (('error = "#123"', 'error = "red"'), "error is red"),
        (('error = "#123"', 'error = "#12345"'), "error is #12345"),
        (('error = "#123"', "error = 3"), "error is 3"),
        (('error = "#123"\n', ""), "error is missing"),
        (('error = "#123"', 'eror = "#123"'), "eror unknown; did you mean error"),
        (("dark = true", 'dark = "yes"'), "dark expected true or false"),
        (('"mine"', '"My theme"'), "name expected lower-case"),
        (("dark = true", "dark = "), "line 2"),
        (("dark = true", "dark = true\nvariables = 1"), "variables expected a table"),
    ],
)
def test_a_bad_file_is_left_out_with_file_and_key(
    tmp_path: Path, change: tuple[str, str], key: str
) -> None:
    (tmp_path / "bad.toml").write_text(MINIMAL.replace(*change))
    themes, notices = load_themes(tmp_path)
    assert set(themes) == set(SHIPPED)
    (notice,) = notices
    assert str(tmp_path / "bad.toml") in notice
    assert key in notice


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('border = "auto 50%"', "variables.border is auto 50%"),
        ('omni-mutd = "#123"', "did you mean omni-muted"),
        ('"a b" = "#123"', "variables.a b expected"),
        ('block-cursor-text-style = "blink"', "variables.block-cursor-text-style expected"),
        ("block-cursor-text-style = 1", "variables.block-cursor-text-style expected"),
    ],
)
def test_variables_are_judged_too(line: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_theme(f"{MINIMAL}[variables]\n{line}", "mine.toml")


def test_files_that_are_no_text_or_far_too_large_are_notices(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "b.toml").write_text("#" * 100_000)
    (tmp_path / "c.toml").mkdir()
    _, notices = load_themes(tmp_path)
    assert [notice.rsplit("/", 1)[1][:6] for notice in notices] == ["a.toml", "b.toml", "c.toml"]


def test_a_notice_never_carries_control_characters(tmp_path: Path) -> None:
    text = MINIMAL.replace('error = "#123"', 'error = "\\u001b]52;c;eA\\u0007"')
    (tmp_path / "bad\x1b.toml").write_text(text)
    (notice,) = load_themes(tmp_path)[1]
    assert notice.isprintable()
