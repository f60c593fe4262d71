from __future__ import annotations

import pytest
from screen_app import chat_is_up, shown_app


@pytest.mark.parametrize("rows", [12, 14, 24, 40, 60])
async def test_a_long_draft_leaves_most_of_the_screen_to_the_conversation(rows: int) -> None:
    app = shown_app()
    async with app.run_test(size=(44, rows)) as pilot:
        await chat_is_up(pilot)
        assert app.chat.composer.region.height == 1

        app.chat.composer.write("line\n" * 100)
        await pilot.pause()

        assert 3 <= app.chat.composer.region.height <= rows // 3
        assert app.chat.transcript.region.height >= rows // 3
