"""An agent whose every turn is a commit: it works in a git repository that it sets up itself."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

from omni_tui import Agent, Model, Proceed, Text, ToolContext, tool
from omni_tui.testing import Call, ScriptedProvider

# Whoever runs this keeps their own name, keys and hooks out of it.
SETTINGS = {
    "user.name": "Workspace agent",
    "user.email": "agent@localhost",
    "commit.gpgsign": "false",
    "core.hooksPath": os.devnull,
}


@tool
def write_file(path: str, content: str, context: ToolContext) -> str:
    """Write a file of the workspace.

    Args:
        path: Where, relative to the workspace.
        content: The whole file.
    """
    root = context.cwd.resolve()
    file = (root / path).resolve()
    if root not in file.parents or ".git" in map(str.lower, file.relative_to(root).parts):
        raise ValueError("only files of the workspace can be written")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    return f"{path} written"


class Workspace(Agent):
    """Keeps its folder under version control."""

    def __init__(self, *, folder: Path, **options: Any) -> None:
        super().__init__(cwd=folder, tools=[write_file], **options)
        self.folder = folder
        self.task = ""
        self.summary = ""
        self.is_over = asyncio.Event()

    async def pre_run(self) -> None:
        await self.git("init", "--quiet")

    async def pre_turn(self, content: tuple[Any, ...] | None) -> Proceed:
        if content is None:
            return Proceed()
        self.task = next((block.text for block in content if isinstance(block, Text)), "")
        files = await self.git("ls-files") or "no files yet"
        return Proceed((Text(text=f"The workspace holds:\n{files}"), *content))

    async def post_turn(self, outcome: str) -> None:
        await self.git("add", "--all")
        if await self.git("status", "--porcelain"):
            subject = self.task.partition("\n")[0] or "Go on"
            await self.git("commit", "--quiet", "-m", subject, "-m", f"The turn: {outcome}.")

    async def post_run(self) -> None:
        try:
            self.summary = await self.git("log", "--all", "--reverse", "--stat", "--format=%s")
        finally:
            self.is_over.set()

    async def finish(self) -> str:
        """End the work; what was done, commit by commit."""
        self.halt()
        await self.is_over.wait()
        return self.summary

    async def git(self, *arguments: str) -> str:
        """What a git command prints; raises `RuntimeError` with it when it fails."""
        settings = [part for item in SETTINGS.items() for part in ("-c", "=".join(item))]
        process = await asyncio.create_subprocess_exec(
            "git",
            *settings,
            *arguments,
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if name[:4] != "GIT_"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed = (await process.communicate())[0].decode(errors="replace").strip()
        if process.returncode:
            raise RuntimeError(printed)
        return printed


async def main(model: str | Model) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Workspace(model=model, folder=Path(folder)) as workspace:
            for task in ["Write a haiku about git to haiku.txt.", "Add a README.md about it."]:
                print(f"> {task}\n{(await workspace.ask(task)).text}\n")
            print(await workspace.finish())


def script() -> Model:
    """What the agent does without a model."""
    haiku = "A branch in the wind:\nevery leaf remembers it.\nCommit, then let go.\n"
    readme = "# A haiku\n\nIt is in [haiku.txt](haiku.txt).\n"
    return ScriptedProvider(
        [
            [Call("write_file", {"path": "haiku.txt", "content": haiku})],
            "The haiku is in haiku.txt.",
            [Call("write_file", {"path": "README.md", "content": readme})],
            "README.md points to it.",
        ]
    ).model()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="provider/model; without it a script works, offline")
    asyncio.run(main(parser.parse_args().model or script()))
