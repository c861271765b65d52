"""Adds Understudy's certificate authority wherever this Python loads root certificates from a file.

Some clients bring their own roots and ignore all variables. Nothing else is changed: certificates are
still verified. The module hooks the import of `ssl` without importing it, because some programs depend
on when that happens.
"""

import sys
from importlib.machinery import PathFinder
from os.path import abspath, dirname, join

_HERE = dirname(abspath(__file__))
_CA = join(dirname(_HERE), "CA_FILE")


def _trust(ssl):
    load = ssl.SSLContext.load_verify_locations

    def load_verify_locations(self, *args, **kwargs):
        load(self, *args, **kwargs)
        try:
            load(self, cafile=_CA)
        except OSError:
            pass  # The run has ended, and this process outlives it.

    ssl.SSLContext.load_verify_locations = load_verify_locations


class _Finder:
    """Finds `ssl` by the other finders, and adds a hook that runs after it is loaded."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != "ssl":
            return None
        others = (finder for finder in sys.meta_path if finder is not cls and hasattr(finder, "find_spec"))
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                _trust(module)

            spec.loader.exec_module = exec_module
        return spec


def _run_shadowed():
    """Runs the `sitecustomize` module that ours shadows."""
    spec = PathFinder.find_spec("sitecustomize", [path for path in sys.path if abspath(path) != _HERE])
    if spec is not None and spec.loader is not None:
        from importlib.util import module_from_spec

        sys.modules["sitecustomize"] = module = module_from_spec(spec)
        spec.loader.exec_module(module)


if "ssl" in sys.modules:
    _trust(sys.modules["ssl"])
else:
    sys.meta_path.insert(0, _Finder)
_run_shadowed()
