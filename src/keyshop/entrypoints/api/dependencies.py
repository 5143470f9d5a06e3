"""What handlers are given by name."""

from typing import TypeAlias

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from keyshop.kit.cache.protocol import Cache
from keyshop.kit.database import Database

Db: TypeAlias = NamedDependency[Database]

# The framework would ask whether it is an instance, which a protocol cannot say.
CurrentCache: TypeAlias = SkipValidation[NamedDependency[Cache]]
