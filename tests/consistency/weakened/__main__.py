"""
Runs a module with a weakened cache; the arguments are the variant, the module and its arguments.

The product has no such switch; the weakened class replaces the product's in this process only.
"""

import runpy
import sys

from keyshop.entrypoints.cli.main import build
from tests.consistency.weakened.names import WEAKENED


def main() -> None:
    """Run the module with the weakened cache."""
    variant, module, *words = sys.argv[1:]
    if variant not in WEAKENED:
        sys.exit(f"There is no weakened cache {variant}; there are: {', '.join(WEAKENED)}.")
    sys.argv = [module, *words]
    if module == "keyshop":
        # Built first, because the shop sets the folder of its metrics before any metric is imported.
        app = build(words)
        _weaken(variant)
        app()
    else:
        _weaken(variant)
        runpy.run_module(module, run_name="__main__")


def _weaken(variant: str) -> None:
    from keyshop.kit.cache import open as parts
    from tests.consistency.weakened.variants import VARIANTS

    for name, weak in VARIANTS[variant].items():
        if not hasattr(parts, name):
            sys.exit(f"The product has no class {name}, so {variant} would weaken nothing.")
        setattr(parts, name, weak)


if __name__ == "__main__":
    main()
