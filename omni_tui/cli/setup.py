"""From arguments, settings and environment to a session that is ready to talk."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from omni_tui.agent.subagent import MAX_DEPTH
from omni_tui.cli.database import place_at
from omni_tui.config.approvals import load_approvals
from omni_tui.config.paths import Paths, find_paths
from omni_tui.config.providers import make_registry
from omni_tui.config.settings import ApprovalMode, Settings, load_settings
from omni_tui.core.errors import NotFoundError, SessionLockedError
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Options, OutputFormat
from omni_tui.session.context import ContextPolicy
from omni_tui.session.manager import SessionManager
from omni_tui.session.references import labelled, split_reference
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store.base import Store
from omni_tui.session.store.opening import Place, open_store
from omni_tui.session.titles import TitlePolicy
from omni_tui.tools.builtin import builtin_tools
from omni_tui.tools.permissions import Permissions, Rule

DEMO = "demo/chat"

SYSTEM = """\
You are a helpful assistant in a terminal. The working folder is {cwd}. Answer in Markdown. Use the
tools when they help; a person may be asked before a tool runs and may say no, with a reason."""


@dataclass
class Start:
    """What a face starts with; leave it to close everything."""

    manager: SessionManager
    session: Session
    settings: Settings
    paths: Paths
    place: Place
    """Where its sessions are kept."""
    is_default_place: bool
    no_key: bool
    """No provider has a key and no model was named: this is the demo."""
    notices: list[str] = field(default_factory=list)
    """What a person should know, in one line each."""
    opening: str | None = None
    """The session that was asked for, if another program has it open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.manager.shut_down()


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What sessions stand on: the settings, the models, and where they are kept."""

    settings: Settings
    paths: Paths
    registry: ProviderRegistry
    model: str | None
    """Of new sessions; `None` when none was named and no provider has a key."""
    place: Place
    """Where its sessions are kept."""
    is_default_place: bool
    approval_mode: ApprovalMode
    output: OutputFormat | None = None
    """The shape answers are asked to have."""

    def setup(self, cwd: Path) -> Setup:
        """What the agents of a session in this folder are made from.

        Reads the approvals stored for the folder; raises `ConfigError` when they cannot be read.
        """
        settings, paths = self.settings, self.paths
        own = (paths.config_dir, paths.data_dir, paths.state_dir)
        return Setup(
            tools=builtin_tools(),
            permissions=Permissions(
                cwd,
                rules=_rules(settings, load_approvals(cwd, paths.approvals_file)),
                mode=self.approval_mode,
                own=(*own, self.place.path) if self.place.path else own,
            ),
            max_steps=settings.tools.max_steps,
            output=self.output,
            options=Options(thinking=settings.thinking),
            fallbacks=settings.fallbacks,
            context=ContextPolicy(**msgspec.structs.asdict(settings.context)),
            title=TitlePolicy(**msgspec.structs.asdict(settings.title)),
            cwd=cwd,
            max_depth=MAX_DEPTH,
        )

    def system(self, cwd: Path) -> str:
        """The system prompt of a new session in this folder."""
        return self.settings.system or SYSTEM.format(cwd=os.fspath(cwd))

    def manager(self, store: Store, setup: Setup | None = None) -> SessionManager:
        """Keeps the sessions of `store`, made from `setup` where nothing else is said."""
        return SessionManager(
            store, default_model=self.model or DEMO, setup=setup, registry=self.registry
        )


def read_ground(arguments: argparse.Namespace, *, output: OutputFormat | None = None) -> Ground:
    """Read the settings and look the models up that they and the arguments name.

    Raises any `OmniError` that must end the program before it begins.
    """
    settings = load_settings()
    paths = find_paths()
    registry = make_registry(settings, paths)
    wanted = arguments.model or settings.model
    if wanted is not None:
        registry.resolve(wanted)
    for other in (*settings.fallbacks, settings.context.model, settings.title.model):
        if other is not None:
            registry.resolve(other)
    return Ground(
        settings=settings,
        paths=paths,
        registry=registry,
        model=wanted or registry.default_model(),
        place=place_at(arguments),
        is_default_place=arguments.db is None,
        approval_mode=arguments.approval_mode or settings.tools.approval_mode,
        output=output,
    )


async def prepare(
    arguments: argparse.Namespace, *, output: OutputFormat | None = None, asks: bool = False
) -> Start:
    """Read the settings, open the store and the session asked for.

    `output` is the shape its answers are asked to have. With `asks`, a session that another program
    has open is left to the screen, which asks what to do (`Start.opening`).

    Raises any `OmniError` that must end the program before the screen opens.
    """
    ground = read_ground(arguments, output=output)
    store = open_store(ground.place)
    manager = ground.manager(store, ground.setup(Path.cwd()))
    start = Start(
        manager=manager,
        session=None,  # type: ignore[arg-type]
        settings=ground.settings,
        paths=ground.paths,
        place=ground.place,
        is_default_place=ground.is_default_place,
        no_key=ground.model is None,
        notices=list(ground.settings.notices),
    )
    try:
        await store.open()
        try:
            start.session = await _session(manager, arguments, ground, start.notices)
        except SessionLockedError as error:
            start.opening = error.details.get("id") if asks else None
            if start.opening is None:
                raise
            system = ground.system(Path.cwd())
            start.session = manager.create(model=arguments.model, system=system)
    except BaseException:
        await manager.shut_down()
        raise
    return start


def _rules(settings: Settings, approvals: tuple[str, ...]) -> list[Rule]:
    given = settings.permissions
    return [
        *(Rule.parse(text, "deny") for text in given.deny),
        *(Rule.parse(text, "ask") for text in given.ask),
        *(Rule.parse(text, "allow") for text in (*given.allow, *approvals)),
    ]


async def _session(
    manager: SessionManager,
    arguments: argparse.Namespace,
    ground: Ground,
    notices: list[str],
) -> Session:
    id = label = None
    if arguments.load is not None:
        id, label = await split_reference(manager.store, arguments.load)
    elif arguments.latest:
        id = await manager.store.latest()
        if id is None:
            raise NotFoundError("There is no session to continue yet.", hint="start one: omni-tui")
    if id is None:
        return manager.create(model=arguments.model, system=ground.system(Path.cwd()))
    session, notice = await manager.open(id, model=arguments.model)
    if label is not None:
        session.navigate(labelled(session.tree, label))
    if notice:
        notices.append(notice)
    return session
