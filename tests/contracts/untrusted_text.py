"""Finds text that would reach a Textual widget as markup, or without being made safe.

Textual reads markup in any string a widget is given: `[@click=…]` runs actions, `[/b]` crashes the
application, `list[str]` loses its end. So a widget gets a literal, a `Content`, or a string that
went through `safe` or `safe_line` together with `markup=False`. `escape()` is not enough.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

SINKS: Mapping[str, tuple[str, ...]] = {
    "Static": ("content",),
    "Label": ("content",),
    "Button": ("label",),
    "Checkbox": ("label",),
    "RadioButton": ("label",),
    "Option": ("prompt",),
    "OptionList": (),
    "Collapsible": ("title",),
    "TabPane": ("title",),
    "Tree": ("label",),
    "notify": ("message", "title"),
    "update": ("content",),
    "add_leaf": ("label",),
    "add_row": ("label",),
    "add_column": ("label",),
    "add_option": ("option",),
    "set_label": ("label",),
}
"""Callables that show text, and the names of their arguments that do."""

EVERY_ARGUMENT = {"OptionList", "add_row"}
"""These show all their positional arguments; the others the first one."""

ATTRIBUTES = {"tooltip", "border_title", "border_subtitle"}
"""Attributes that show what is assigned to them."""

CLEANERS = {"safe", "safe_line"}
"""Functions that take control characters out, but leave markup in."""

CONTENT_MAKERS = {"Content", "safe_content"}
SHOWN = {"Content", "Content | None", "Row", "Hanging", "Sheet"}
"""Types that hold no markup; the rows are made of `Content`, which mypy sees to."""
NUMBERS = {"len", "int", "round", "sum", "min", "max"}
OTHER_UPDATES = re.compile(r"(agent|session|run|manager|settings|bridge)\b")


@dataclass
class _Scope:
    """What is known about names inside one function (or the module)."""

    assigned: dict[str, list[ast.expr]] = field(default_factory=dict)
    content: set[str] = field(default_factory=set)


class Linter:
    """Checks one source; `content_functions` are those known to return a `Content`."""

    def __init__(self, content_functions: Iterable[str] = ()) -> None:
        self._makers = CONTENT_MAKERS | set(content_functions)
        self._collections: set[str] = set()
        self._own: set[str] = set()

    def check(self, text: str) -> Iterator[str]:
        """One line for each place where text is not safe."""
        module = ast.parse(text)
        self._collections = _collections(module)
        self._own = set(_own_contents(module))
        yield from _escapes(module)
        self._makers |= content_functions(text)
        yield from self._walk(module, [_scope(module)], None)

    def _walk(self, node: ast.AST, scopes: list[_Scope], base: str | None) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            inner, below = base, scopes
            if isinstance(child, ast.ClassDef):
                names = {_last(name) for name in child.bases}
                inner = next((name for name in names if name in SINKS), None)
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                below = [*scopes, _scope(child)]
            yield from self._node(child, below, inner)
            yield from self._walk(child, below, inner)

    def _node(self, node: ast.AST, scopes: list[_Scope], base: str | None) -> Iterator[str]:
        if isinstance(node, ast.Assign):
            shown = [t for t in node.targets if isinstance(t, ast.Attribute)]
            if any(target.attr in ATTRIBUTES for target in shown):
                yield from self._judge(node.value, scopes, False, shown[0].attr)
        elif isinstance(node, ast.Call):
            yield from self._call(node, scopes, base)

    def _call(self, node: ast.Call, scopes: list[_Scope], base: str | None) -> Iterator[str]:
        name = _last(node.func)
        if name == "__init__" and base and ast.unparse(node.func) == "super().__init__":
            name = base
        plain = any(
            keyword.arg == "markup" and ast.unparse(keyword.value) == "False"
            for keyword in node.keywords
        )
        for keyword in node.keywords:
            if keyword.arg in ATTRIBUTES or keyword.arg in SINKS.get(name, ()):
                yield from self._judge(keyword.value, scopes, plain, f"{name}({keyword.arg}=)")
        if name == "add" and any(keyword.arg == "data" for keyword in node.keywords):
            name = "add_leaf"  # a tree's, not a set's
        if name not in SINKS or _is_no_widget(node, name, self._collections):
            return
        arguments = node.args if name in EVERY_ARGUMENT else node.args[:1]
        for argument in arguments:
            yield from self._judge(argument, scopes, plain, name)

    def _judge(
        self, value: ast.expr, scopes: list[_Scope], plain: bool, sink: str
    ) -> Iterator[str]:
        if not self._is_safe(value, scopes, plain):
            shown = ast.unparse(value)
            yield f"{value.lineno}: {sink} is given {shown}: use safe_content()"

    def _is_safe(self, value: ast.expr, scopes: list[_Scope], plain: bool) -> bool:
        def ok(part: ast.expr) -> bool:
            return self._is_safe(part, scopes, plain)

        match value:
            case ast.Constant():
                return True
            case ast.JoinedStr(values=parts):
                return all(
                    _is_number(part, plain)
                    or (isinstance(part, ast.FormattedValue) and ok(part.value))
                    for part in parts
                )
            case ast.IfExp(body=one, orelse=other) | ast.BinOp(left=one, right=other):
                return ok(one) and ok(other)
            case ast.BoolOp(values=parts):
                return all(ok(part) for part in parts)
            case ast.Starred(value=ast.GeneratorExp(elt=item) | ast.ListComp(elt=item)):
                return ok(item)
            case ast.NamedExpr(value=inner) | ast.Await(value=inner):
                return ok(inner)
            case ast.Call(func=called):
                return self._makes_safe(called, plain)
            case ast.Name(id=name):
                return self._name_is_safe(name, scopes, plain)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return name in self._own
            case _:
                return False

    def _makes_safe(self, called: ast.expr, plain: bool) -> bool:
        name, whole = _last(called), ast.unparse(called)
        if whole.startswith("Content.from_markup"):
            return False
        if name in self._makers or whole.startswith(("Content.", "Content(")):
            return True
        if name in CLEANERS:
            return plain
        return name[:1].isupper()  # an object of its own, not a string

    def _name_is_safe(self, name: str, scopes: list[_Scope], plain: bool) -> bool:
        for scope in reversed(scopes):
            if name in scope.content:
                return True
            if name in scope.assigned:
                outer = [s for s in scopes if s is not scope]
                values = scope.assigned[name]
                return all(
                    name not in {n.id for n in ast.walk(v) if isinstance(n, ast.Name)}
                    and self._is_safe(v, [*outer, scope], plain)
                    for v in values
                )
        return False


def content_functions(text: str) -> set[str]:
    """Names of the functions in `text` that say they return what holds no markup."""
    return {
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.returns is not None
        and ast.unparse(node.returns).strip("'\"") in SHOWN
    }


def _scope(node: ast.AST) -> _Scope:
    scope = _Scope()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        for argument in arguments:
            if argument.annotation and ast.unparse(argument.annotation).strip("'\"") == "Content":
                scope.content.add(argument.arg)
            else:
                # A parameter hides a safe name outside, and nothing vouches for it.
                scope.assigned[argument.arg] = [ast.Attribute(ast.Name("parameter"), argument.arg)]
    for child in _own_nodes(node):
        match child:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                scope.assigned.setdefault(name, []).append(value)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind) if (
                ast.unparse(kind) == "Content"
            ):
                scope.content.add(name)
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=value)
                | ast.AugAssign(target=ast.Name(id=name), value=value)
                | ast.NamedExpr(target=ast.Name(id=name), value=value)
            ) if value is not None:
                scope.assigned.setdefault(name, []).append(value)
            case ast.For(target=target) | ast.comprehension(target=target):
                for name in (n.id for n in ast.walk(target) if isinstance(n, ast.Name)):
                    unknown = ast.Attribute(ast.Name("item"), name)
                    scope.assigned.setdefault(name, []).append(unknown)
    return scope


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of the functions and classes inside it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child
            yield from _own_nodes(child)


def _is_number(part: ast.expr, plain: bool) -> bool:
    """Whether a piece of an f-string can only be our own words, or figures."""
    if isinstance(part, ast.Constant):
        return True
    if not isinstance(part, ast.FormattedValue):
        return False
    if part.format_spec is not None and re.search(r"[dfgxeE%]'$", ast.unparse(part.format_spec)):
        return True
    called = part.value.func if isinstance(part.value, ast.Call) else None
    return called is not None and _last(called) in (NUMBERS | CLEANERS if plain else NUMBERS)


def _own_contents(module: ast.Module) -> Iterator[str]:
    """Attributes a class of `module` gives itself and says are `Content`."""
    for node in ast.walk(module):
        match node:
            case ast.AnnAssign(
                target=ast.Attribute(value=ast.Name(id="self"), attr=name), annotation=kind
            ) if ast.unparse(kind) in SHOWN:
                yield name


def _collections(module: ast.Module) -> set[str]:
    """Names and attributes of `module` that are dictionaries or sets."""
    found = set()
    for node in ast.walk(module):
        match node:
            case ast.AnnAssign(target=target, annotation=kind) if re.match(
                r"(dict|set|Counter|defaultdict|OrderedDict)\b", ast.unparse(kind)
            ):
                found.add(_last(target))
            case ast.Assign(targets=[target], value=value) if isinstance(
                value, ast.Dict | ast.Set | ast.DictComp | ast.SetComp
            ):
                found.add(_last(target))
    return found


def _is_no_widget(node: ast.Call, name: str, collections: set[str]) -> bool:
    """`notify` and `update` are verbs of agents and dictionaries as well."""
    if name not in ("notify", "update") or not isinstance(node.func, ast.Attribute):
        return False
    receiver = ast.unparse(node.func.value)
    last = receiver.rpartition(".")[2]
    if OTHER_UPDATES.search(last) or last in collections:
        return True
    return name == "update" and (
        not node.args or isinstance(node.args[0], ast.Dict | ast.DictComp | ast.Set | ast.SetComp)
    )


def _escapes(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        match node:
            case ast.ImportFrom(module=("rich.markup" | "textual.markup"), names=names):
                if any(alias.name == "escape" for alias in names):
                    yield f"{node.lineno}: escape() does not make text safe"
            case ast.Attribute(attr="escape", value=ast.Name(id="markup")):
                yield f"{node.lineno}: escape() does not make text safe"


def _last(node: ast.expr) -> str:
    """The last name of `a.b.c`, of `c`, or of `c[T]`."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case ast.Subscript(value=value):
            return _last(value)
        case _:
            return ""
