"""The errors that an endpoint can respond with, found in its source and in all that it calls."""

import ast
import builtins
import inspect
import textwrap
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType

import app
from app.errors import AppError, Unprocessable
from app.middleware.rate_limit import LimitedRoute
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

APP = str(Path(app.__file__).parent)
Errors = frozenset[type[AppError]]


def errors_of(route: APIRoute) -> Errors:
    """Return the errors of an endpoint, of its dependencies and of the route's limit."""
    calls = [route.endpoint, *_dependencies(route.dependant)]
    found = (
        _errors_once(LimitedRoute.handle, LimitedRoute)
        if isinstance(route, LimitedRoute)
        else frozenset()
    )
    return found.union(*(_errors_once(call, None) for call in calls))


def _dependencies(dependant: Dependant) -> Iterator[Callable[..., object]]:
    for each in dependant.dependencies:
        if each.call is not None:
            yield each.call
        yield from _dependencies(each)


_read: dict[tuple[object, type | None], Errors] = {}


def _errors_once(called: object, owner: type | None) -> Errors:
    """Return the errors that a function of the service raises; none for others."""
    while hasattr(called, "__wrapped__") and not _is_ours(called):  # a context manager, a cache
        called = called.__wrapped__
    if not isinstance(called, FunctionType) or not _is_ours(called):
        return frozenset()
    key = (called, owner)
    if key not in _read:
        _read[key] = frozenset()  # for a function that calls itself
        tree = ast.parse(textwrap.dedent(inspect.getsource(called.__code__)))
        _read[key] = _Body(called, owner).errors(tree)
    return _read[key]


def _is_ours(called: object) -> bool:
    return isinstance(called, FunctionType) and called.__code__.co_filename.startswith(APP)


def _hints(owner: object) -> dict[str, object]:
    """Return the annotations of a function or class of the service, without `None`."""
    if not str(getattr(owner, "__module__", "")).startswith("app."):
        return {}
    hints = typing.get_type_hints(owner)
    return {name: _without_none(hint) for name, hint in hints.items()}


def _without_none(hint: object) -> object:
    members = [each for each in typing.get_args(hint) if each is not type(None)]
    return members[0] if len(members) == 1 and type(None) in typing.get_args(hint) else hint


def _first_of_union(annotation: ast.expr) -> ast.expr:
    """Return `X` of an annotation `X | None`."""
    return annotation.left if isinstance(annotation, ast.BinOp) else annotation


class _Body:
    """The body of one function, with the types of its names as far as they are annotated."""

    def __init__(self, function: FunctionType, owner: type | None) -> None:
        self._names = vars(builtins) | function.__globals__
        closure = inspect.getclosurevars(function).nonlocals
        self._names |= closure
        self._types: dict[str, object] = {} if owner is None else {"self": owner}
        self._types |= _hints(function)

    def errors(self, node: ast.AST) -> Errors:
        """Return the errors that a part of the body raises, without those it catches."""
        if isinstance(node, ast.Try):
            return self._errors_of_try(node)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            self._types[node.target.id] = self._resolve(_first_of_union(node.annotation))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            self._note_instance(node.targets[0], node.value)
        if isinstance(node, ast.withitem) and isinstance(node.context_expr, ast.Call):
            self._note_instance(node.optional_vars, node.context_expr)
        found = self._errors_of_call(node.func) if isinstance(node, ast.Call) else frozenset()
        for child in ast.iter_child_nodes(node):
            found |= self.errors(child)
        return found

    def _note_instance(self, target: ast.expr | None, call: ast.Call) -> None:
        made = self._resolve(call.func)
        if isinstance(made, FunctionType):
            made = _hints(made).get("return")
        if isinstance(target, ast.Name) and isinstance(made, type):
            self._types[target.id] = made

    def _errors_of_try(self, node: ast.Try) -> Errors:
        found: Errors = frozenset().union(*map(self.errors, node.body))
        for handler in node.handlers:
            caught = self._resolve(handler.type) if handler.type is not None else BaseException
            raises_again = any(
                isinstance(each, ast.Raise) and each.exc is None for each in ast.walk(handler)
            )
            if isinstance(caught, type) and not raises_again:
                found -= {error for error in found if issubclass(error, caught)}
        rest = [*node.handlers, *node.orelse, *node.finalbody]
        return found.union(*map(self.errors, rest))

    def _errors_of_call(self, called: ast.expr) -> Errors:
        target = self._resolve(called)
        if isinstance(target, type):
            if issubclass(target, AppError):
                return frozenset({target})
            if target is RequestValidationError:
                return frozenset({Unprocessable})
            return frozenset()
        owner = None
        if isinstance(called, ast.Attribute):
            holder = self._type_of(called.value)
            owner = holder if isinstance(holder, type) else None
        return _errors_once(target, owner)

    def _resolve(self, node: ast.expr | None) -> object:
        """Return what an expression of names and attributes refers to; None if unknown."""
        if isinstance(node, ast.Name):
            return self._names.get(node.id)
        if isinstance(node, ast.Attribute):
            holder = self._resolve(node.value)
            if not isinstance(holder, ModuleType | type):
                holder = self._type_of(node.value)
            return getattr(holder, node.attr, None)
        return None

    def _type_of(self, node: ast.expr) -> object:
        """Return the class of a local name, or of an attribute that its class annotates."""
        if isinstance(node, ast.Name):
            return self._types.get(node.id) or type(self._names.get(node.id))
        if isinstance(node, ast.Attribute):
            holder = self._type_of(node.value)
            return _hints(holder).get(node.attr)
        if isinstance(node, ast.Call):
            made = self._resolve(node.func)
            if isinstance(made, type):
                return made
            if isinstance(made, FunctionType):
                return _hints(made).get("return")
        return None
