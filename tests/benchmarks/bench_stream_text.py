"""Measures `stream_text` against the bare SDKs: CPU microseconds an event, never asserted.

One loopback server replays the same stream to each in turn, round by round; only the thread of the
event loop is counted, not the server. Run it:

    python tests/benchmarks/bench_stream_text.py [EVENTS [ROUNDS]]
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import anthropic
import openai
from wire.made import closing, opening, text, wrap
from wire.server import Reply, sse_server

from omni_tui.core.stream import TextDelta
from omni_tui.llm.api import stream_text
from omni_tui.llm.providers.anthropic import AnthropicProvider
from omni_tui.llm.providers.base import Model
from omni_tui.llm.providers.openai_chat import ChatProvider
from omni_tui.llm.providers.openai_responses import ResponsesProvider

Reader = Callable[[], Awaitable[int]]
"""Reads one whole answer; the number of characters in it."""

Closing = Callable[[], Awaitable[None]]

WORDS = ("the ", "quick ", "brown ", "fox ", "jumps ", "over ", "**lazy** ", "dogs.\n")
ASK: Any = [{"role": "user", "content": "Hello"}]


def ours(model: Model) -> Reader:
    """`stream_text`, every event."""

    async def read() -> int:
        count = 0
        async with stream_text(model, "Hello") as stream:
            async for event in stream:
                if type(event) is TextDelta:
                    count += len(event.text)
            await stream.response()
        return count

    return read


def anthropic_readers(url: str) -> tuple[dict[str, Reader], list[Closing]]:
    """Messages: the raw stream, the helper, and ours."""
    client = anthropic.AsyncAnthropic(api_key="none", base_url=url)

    async def raw() -> int:
        count = 0
        stream = await client.messages.create(
            model="claude-sonnet-4-6", max_tokens=1000, messages=ASK, stream=True
        )
        async for event in stream:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                count += len(event.delta.text)
        return count

    async def helper() -> int:
        count = 0
        async with client.messages.stream(
            model="claude-sonnet-4-6", max_tokens=1000, messages=ASK
        ) as stream:
            async for event in stream:
                if event.type == "text":
                    count += len(event.text)
        return count

    provider = AnthropicProvider("anthropic", base_url=url, api_key="none")
    mine = ours(Model(provider, "claude-sonnet-4-6"))
    return {"create": raw, "helper": helper, "ours": mine}, [client.close, provider.close]


def responses_readers(url: str) -> tuple[dict[str, Reader], list[Closing]]:
    """Responses: the raw stream, and ours."""
    client = openai.AsyncOpenAI(api_key="none", base_url=f"{url}/v1")

    async def raw() -> int:
        count = 0
        stream = await client.responses.create(model="gpt-5.5", input="Hello", stream=True)
        async for event in stream:
            if event.type == "response.output_text.delta":
                count += len(event.delta)
        return count

    provider = ResponsesProvider("openai", base_url=f"{url}/v1", api_key="none")
    mine = ours(Model(provider, "gpt-5.5"))
    return {"create": raw, "ours": mine}, [client.close, provider.close]


def chat_readers(url: str) -> tuple[dict[str, Reader], list[Closing]]:
    """Chat Completions: the raw stream, and ours."""
    client = openai.AsyncOpenAI(api_key="none", base_url=f"{url}/v1")

    async def raw() -> int:
        count = 0
        stream = await client.chat.completions.create(model="gpt-5.5", messages=ASK, stream=True)
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                count += len(chunk.choices[0].delta.content)
        return count

    provider = ChatProvider("openai", base_url=f"{url}/v1", api_key="none")
    mine = ours(Model(provider, "gpt-5.5"))
    return {"create": raw, "ours": mine}, [client.close, provider.close]


READERS = {
    "anthropic": anthropic_readers,
    "responses": responses_readers,
    "chat": chat_readers,
}


async def compare(dialect: str, url: str, count: int, rounds: int) -> None:
    """Read the same answer with each reader in turn, and print the medians."""
    readers, closings = READERS[dialect](url)
    for read in readers.values():
        await read()  # imports, connections, caches
    used: dict[str, list[float]] = {name: [] for name in readers}
    seen = set()
    for _ in range(rounds):
        for name, read in readers.items():
            start = time.thread_time()
            seen.add(await read())
            used[name].append((time.thread_time() - start) / count * 1e6)
    for close in closings:
        await close()
    assert len(seen) == 1, "the readers read different answers"
    bare = used["create"]
    for name, each in used.items():
        ratio = statistics.median(a / b for a, b in zip(each, bare, strict=True))
        print(
            f"{dialect:10} {name:7} {statistics.median(each):6.1f} µs an event"
            f" (min {min(each):.1f}), {ratio:.2f} of create(stream=True)"
        )


def main(arguments: list[str]) -> None:
    """Measure all dialects."""
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "HTTP_PROXY", "http_proxy"):
        os.environ.pop(name, None)
    count = int(arguments[0]) if arguments else 2_000
    rounds = int(arguments[1]) if arguments[1:] else 15
    words = [WORDS[place % len(WORDS)] for place in range(count)]
    for dialect in READERS:
        events = [*opening(dialect), *text(dialect, 0, *words), *closing(dialect)]
        with sse_server(Reply(pieces=wrap(dialect, events))) as server:
            asyncio.run(compare(dialect, server.url, count, rounds))


if __name__ == "__main__":
    main(sys.argv[1:])
