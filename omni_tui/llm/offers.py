"""The models there are to choose from, those that can be used now first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import msgspec

from omni_tui.llm.backends import ACP, BACKENDS
from omni_tui.llm.local import local_models
from omni_tui.llm.model_info import ModelInfo
from omni_tui.llm.models import DEMO, DEMO_MODEL, ProviderRegistry


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One model to choose."""

    info: ModelInfo
    """What is known of it, at least its id."""
    ready: bool
    """Whether its provider can be asked now."""

    @property
    def id(self) -> str:
        """`provider/name`."""
        return self.info.id


async def find_offers(registry: ProviderRegistry, *, everything: bool = False) -> list[Offer]:
    """The models of all providers that can be asked now, the demo's last.

    A provider's own order comes first (its default at the top), then the catalogue's models, but
    for those that cannot use tools. `everything` adds these, and what cannot be used now. Servers
    on this machine have a second to answer, and the catalogue learns what they say of their models;
    nothing else is asked.
    """
    local, _ = await asyncio.gather(local_models(registry), registry.catalog.load())
    registry.catalog.learn(local)
    return await asyncio.to_thread(_offers, registry, [info.id for info in local], everything)


def matching(offers: Iterable[Offer], text: str) -> list[Offer]:
    """Those whose id or name holds every word of `text`, in the order they came.

    Text that is written as `provider/model` and is none of them comes last, as it stands: no list
    has every model.
    """
    offers = list(offers)
    words = text.casefold().split()
    found = [
        offer
        for offer in offers
        if all(word in f"{offer.id} {offer.info.name}".casefold() for word in words)
    ]
    provider, _, name = text.strip().partition("/")
    is_new = all(offer.id != text.strip() for offer in offers)
    if len(words) == 1 and provider and name and is_new:
        found.append(Offer(info=ModelInfo(id=text.strip()), ready=False))
    return found


def _offers(registry: ProviderRegistry, local: list[str], everything: bool) -> list[Offer]:
    catalog = registry.catalog
    ready = registry.available()
    found: dict[str, Offer] = {}

    def add(models: Iterable[str], usable: bool) -> None:
        for model in models:
            info = catalog.get(model) or ModelInfo(id=model)
            found.setdefault(model, Offer(info=info, ready=usable))

    for name in ready:
        add(_named(registry, name), True)
        add(_known(registry, name, everything), True)
    for name, agent in registry.acp.items():
        if (installed := agent.find() is not None) or everything:
            add([f"{ACP}/{name}"], installed)
    add(local, True)
    add([DEMO_MODEL], True)
    if everything:
        for name in registry.names():
            if name not in ready and name != DEMO:
                add(_named(registry, name), False)
                add(_known(registry, name, everything), False)
    return list(found.values())


def _named(registry: ProviderRegistry, name: str) -> Iterator[str]:
    row = registry.endpoints.get(name) or BACKENDS.get(name)
    yield from (f"{name}/{model}" for model in row.models) if row is not None else ()


def _known(registry: ProviderRegistry, name: str, everything: bool) -> Iterator[str]:
    for info in registry.catalog.list(name):
        writes_text = info.outputs is None or "text" in info.outputs
        if everything or (info.tools is not False and writes_text):
            yield info.id
