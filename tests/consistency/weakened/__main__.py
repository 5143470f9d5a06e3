"""
Runs a process of the shop, a writer or a reader, with a weakened cache: the variant, the module, its words.

The product has no such switch; the weakened class stands in the product's place in this process only.
"""

import runpy
import sys

from keyshop.entrypoints.cli.main import build
from tests.consistency.weakened.names import WEAKENED


def main() -> None:
    """Become what the arguments say."""
    variant, module, *words = sys.argv[1:]
    if variant not in WEAKENED:
        sys.exit(f"There is no weakened cache {variant}; there are: {', '.join(WEAKENED)}.")
    sys.argv = [module, *words]
    if module == "keyshop":
        # First, because the shop decides where to count before anything that counts is imported.
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
