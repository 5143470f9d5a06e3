"""What handlers are given by name."""

from typing import TypeAlias

from litestar.di import NamedDependency

from keyshop.kit.cache.protocol import Cache
from keyshop.kit.database import Database

Db: TypeAlias = NamedDependency[Database]

CurrentCache: TypeAlias = NamedDependency[Cache]
