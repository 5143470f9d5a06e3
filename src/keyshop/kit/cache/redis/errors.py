"""
What can go wrong between the shop and Redis; the cache works without Redis then.

RedisFault
├── RedisUnsuitable  the server answers, but the shop cannot use it; the text says what to change
└── RedisRefused     the server refused one command; the connection is still good
"""


class RedisFault(Exception):
    """Redis did not do what was requested."""


class RedisUnsuitable(RedisFault):
    """The server answers, but the shop cannot use it; the text says what to change."""


class RedisRefused(RedisFault):
    """The server refused one command; the connection is still good."""
