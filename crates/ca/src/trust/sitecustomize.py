"""Understudy's part in a Python that runs behind it: whoever loads roots from a file trusts Understudy's certificate authority too.

Some clients bring roots of their own and look at no variable. Nothing else is changed, and what was to be verified still is.
It works when `ssl` is loaded, and doesn't load it: some programs care when that happens.
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
            pass  # The run is over, and this process outlives it.

    ssl.SSLContext.load_verify_locations = load_verify_locations


class _Finder:
    """Finds `ssl` as the others do, and adds what is to be done once it is loaded."""

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


def _run_theirs():
    """The module of this name that would have been loaded if it weren't for ours."""
    spec = PathFinder.find_spec("sitecustomize", [path for path in sys.path if abspath(path) != _HERE])
    if spec is not None and spec.loader is not None:
        from importlib.util import module_from_spec

        sys.modules["sitecustomize"] = module = module_from_spec(spec)
        spec.loader.exec_module(module)


if "ssl" in sys.modules:
    _trust(sys.modules["ssl"])
else:
    sys.meta_path.insert(0, _Finder)
_run_theirs()
