"""Plant the fault named by PLANTED_FAULT into a service, when its web server loads the application.

A `.pth` file of the service's environment imports this module; the service's code stays as it is.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any


def _uvicorn(module: ModuleType) -> None:
    from planted_faults import around_asgi

    load = module.Config.load

    def loading(config: Any) -> None:
        load(config)
        config.loaded_app = around_asgi(config.loaded_app)

    module.Config.load = loading


def _waitress(module: Any) -> None:
    from planted_faults import around_wsgi

    create_server = module.create_server

    def creating(application: Any, *arguments: Any, **options: Any) -> Any:
        return create_server(around_wsgi(application), *arguments, **options)

    module.create_server = creating


def _gunicorn(module: ModuleType) -> None:
    from planted_faults import around_wsgi

    wsgi = module.BaseApplication.wsgi

    def loading(application: Any) -> Any:
        if application.callable is None:
            application.callable = around_wsgi(wsgi(application))
        return application.callable

    module.BaseApplication.wsgi = loading


SERVERS: dict[str, Callable[[ModuleType], None]] = {
    "uvicorn.config": _uvicorn,
    "waitress.server": _waitress,
    "gunicorn.app.base": _gunicorn,
}


class _Loader(importlib.abc.Loader):
    """Runs a module, then changes it."""

    def __init__(self, loader: importlib.abc.Loader, change: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._change = change

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._change(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of web servers that load an application."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in SERVERS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, SERVERS[name])
        return spec


if os.environ.get("PLANTED_FAULT"):
    sys.meta_path.insert(0, _Finder())
