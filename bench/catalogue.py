"""A large, realistic catalogue, generated inside PostgreSQL in seconds."""

from typing import Final

from keyshop.kit.database.pool import Database

_GENRES: Final = """
    INSERT INTO genres (id, name, slug)
    SELECT gen_random_uuid()::text, name, lower(replace(name, ' ', '-'))
    FROM unnest(ARRAY['Action', 'Adventure', 'RPG', 'Strategy', 'Simulation', 'Indie', 'Racing',
        'Sports', 'Puzzle', 'Horror', 'Open World', 'Noir', 'Shooter', 'Fighting', 'Platformer',
        'Survival', 'Co-op', 'Casual', 'Stealth', 'Sandbox']) AS name
    ON CONFLICT DO NOTHING
"""
_PLATFORMS: Final = """
    INSERT INTO platforms (id, name, slug)
    SELECT gen_random_uuid()::text, name, lower(replace(name, ' ', '-'))
    FROM unnest(ARRAY['Steam', 'Xbox Live', 'PSN', 'Nintendo', 'Epic Games', 'GOG.COM', 'Uplay',
        'Battle.net']) AS name
    ON CONFLICT DO NOTHING
"""
_TAGS: Final = """
    INSERT INTO tags (id, name, slug)
    SELECT gen_random_uuid()::text, 'Tag ' || n, 'tag-' || n FROM generate_series(1, 60) AS n
    ON CONFLICT DO NOTHING
"""

# Half of all titles begin with "The", so that one search term matches half of the catalogue.
_GAMES: Final = """
    WITH words AS (
        SELECT ARRAY['Dark', 'Lost', 'Iron', 'Silent', 'Crimson', 'Eternal', 'Frozen', 'Golden',
                   'Hidden', 'Broken', 'Savage', 'Mystic', 'Cyber', 'Stellar', 'Ancient', 'Rogue',
                   'Wild', 'Brave', 'Final', 'Toxic'] AS adjectives,
               ARRAY['Kingdom', 'Horizon', 'Legends', 'Empire', 'Frontier', 'Odyssey', 'Warfare',
                   'Chronicles', 'Dungeon', 'Galaxy', 'Harvest', 'Racer', 'Tactics', 'Quest',
                   'Survivor', 'Shadows', 'Outlaw', 'Dragon', 'Citadel', 'Voyage'] AS nouns,
               ARRAY['build', 'fight', 'explore', 'survive', 'race', 'trade', 'conquer', 'sneak',
                   'solve', 'craft', 'lead', 'rescue', 'castle', 'planet', 'forest', 'city',
                   'ocean', 'desert', 'friends', 'enemies', 'dragons', 'robots', 'pirates',
                   'knights', 'engines', 'weapons', 'secrets', 'stories', 'puzzles', 'worlds']
                   AS verbs
    ), new_games AS (INSERT INTO games (id, title, slug, description, "shortDescription", price, "originalPrice",
        discount, image, images, "inStock", "g2aProductId", "g2aStock", "g2aLastSync",
        "releaseDate", "metacriticScore", "userRating", "ageRating", multiplayer,
        "activationService", region, publisher, "isBestSeller", "isNew", "isPreorder",
        languages, "createdAt", "updatedAt")
    SELECT gen_random_uuid()::text,
        CASE WHEN n % 2 = 0 THEN 'The ' ELSE '' END
            || adjectives[1 + floor(random() * 20)::int] || ' '
            || nouns[1 + floor(random() * 20)::int] || ' ' || $1::int + n,
        'bulk-game-' || $1::int + n,
        'In this game you ' || (
            SELECT string_agg(verbs[1 + (floor(random() * 30)::int + word) % 30], ' ')
            FROM generate_series(1, 40 + n % 20) AS word
        ),
        'A game to remember.',
        round((0.5 + random() * random() * 90)::numeric, 2),
        CASE WHEN n % 5 = 0 THEN 99.00 END, CASE WHEN n % 5 = 0 THEN 20 ELSE 0 END,
        'https://images.example/' || $1::int + n || '.jpg',
        ARRAY['https://images.example/' || $1::int + n || '-1.jpg',
              'https://images.example/' || $1::int + n || '-2.jpg'],
        random() < 0.7, 'bulk-' || $1::int + n, true, now()::timestamp(3),
        (now() - random() * interval '4000 days' + interval '40 days')::timestamp(3),
        CASE WHEN n % 3 = 0 THEN 40 + floor(random() * 60)::int END,
        CASE WHEN n % 3 > 0 THEN round((random() * 5)::numeric, 2) END,
        'PEGI 12', n % 4 = 0,
        (ARRAY['Steam', 'Xbox Live', 'PSN', 'Nintendo', 'Epic Games'])[1 + n % 5],
        (ARRAY['GLOBAL', 'EUROPE', 'NORTH AMERICA', 'ASIA'])[1 + floor(random() * 4)::int],
        CASE WHEN n % 10 > 0 THEN 'Publisher ' || floor(random() * random() * 2000)::int END,
        random() < 0.003, n % 50 = 0, random() < 0.02, ARRAY['en', 'de'],
        (now() - n * interval '1 minute')::timestamp(3), now()::timestamp(3)
    FROM generate_series(1, $2::int) AS n, words
    RETURNING id)
    {links}
    SELECT count(*) FROM new_games
"""

# The first genre holds three games in ten, the first platform six; the rest falls off quickly.
_LINKS: Final = """
    , {table} AS (
        INSERT INTO {table} ("gameId", "{column}")
        SELECT new_games.id,
            things.ids[1 + floor(power(random(), {slope}) * cardinality(things.ids))::int]
        FROM new_games,
            (SELECT array_agg(id ORDER BY name) AS ids FROM {things}) AS things,
            generate_series(1, {links})
        ON CONFLICT DO NOTHING
    )
"""
_LINKED: Final = (
    _LINKS.format(table="game_genres", column="genreId", things="genres", links=2, slope=1.7),
    _LINKS.format(
        table="game_platforms", column="platformId", things="platforms", links=1, slope=3
    ),
    _LINKS.format(table="game_tags", column="tagId", things="tags", links=3, slope=1),
)
_BATCH_SIZE: Final = 5_000  # games


async def fill(db: Database, games: int) -> None:
    """Add games with their genres, platforms and tags, and run VACUUM ANALYZE."""
    async with db.transaction() as tx:
        for things in (_GENRES, _PLATFORMS, _TAGS):
            await tx.execute(things)
    # In batches: one statement for all games would exceed the statement timeout.
    for begin in range(0, games, _BATCH_SIZE):
        number = min(_BATCH_SIZE, games - begin)
        async with db.transaction() as tx:
            await tx.execute("SELECT setseed($1)", begin / games)
            await tx.execute(_GAMES.format(links="".join(_LINKED)), begin, number)
    async with db.read() as reader:
        # Statistics and the visibility map, as autovacuum would leave them after a while.
        await reader.fetch("VACUUM ANALYZE")
