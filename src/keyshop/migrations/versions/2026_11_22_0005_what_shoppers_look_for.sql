-- Two tables that answer "which games" for lists, filters and search; the games themselves are then
-- read by id. Triggers keep them, so every writer is served: the sync, an operator's psql, Prisma.
-- Nothing else may write to them, and they can be rebuilt at any time.

-- Filters, orders, and what is found by a part of its name. The rows of games are wide, and a hash
-- join with a genre that holds a third of 100,000 games costs 50 ms; an array under a GIN index 12.

CREATE TABLE keyshop.game_facets (
    -- Columns of a fixed width come first: PostgreSQL finds them without walking through the texts.
    released TIMESTAMP(3) NOT NULL,
    created TIMESTAMP(3) NOT NULL,
    in_stock BOOLEAN NOT NULL,
    is_preorder BOOLEAN NOT NULL,
    is_best_seller BOOLEAN NOT NULL,
    is_marked_new BOOLEAN NOT NULL,
    multiplayer BOOLEAN NOT NULL,
    game_id TEXT NOT NULL,
    -- Title and publisher in lower case, each on a line of its own and with a space before it.
    names TEXT NOT NULL,
    price DECIMAL(10,2) NOT NULL,
    rating DECIMAL(3,2),
    activation_service TEXT,
    region TEXT,
    publisher TEXT,
    -- Its genres, platforms and tags: hashtextextended(id, 0), a fifth of the ids' own size. Hash
    -- partitions depend on that function, so it stays what it is from version to version.
    links BIGINT[] NOT NULL DEFAULT '{}',
    CONSTRAINT game_facets_pkey PRIMARY KEY (game_id),
    CONSTRAINT game_facets_game_id_fkey FOREIGN KEY (game_id)
        REFERENCES public.games (id) ON DELETE CASCADE ON UPDATE CASCADE
) WITH (fillfactor = 80);
-- Neither price nor stock is in an index here: their changes stay on the row's own page (HOT).

-- Descriptions, found by whole words; kept apart because they would make the other rows wide.

CREATE TABLE keyshop.game_description_terms (
    game_id TEXT NOT NULL,
    words TSVECTOR NOT NULL,
    CONSTRAINT game_words_pkey PRIMARY KEY (game_id),
    CONSTRAINT game_words_game_id_fkey FOREIGN KEY (game_id)
        REFERENCES public.games (id) ON DELETE CASCADE ON UPDATE CASCADE
);

-- What a name can be found by: every two and three letters in a row. The space before the first
-- letter of a word makes "space, letter" the beginning of a word.
CREATE FUNCTION keyshop.name_grams(names TEXT) RETURNS TEXT[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT array_agg(substr(names, place, size))
    FROM generate_series(2, 3) AS size,
        LATERAL generate_series(1, length(names) - size + 1) AS place
$$;

-- What must be among the grams of a name that contains the term; the name itself decides.
CREATE FUNCTION keyshop.search_ngrams(term TEXT) RETURNS TEXT[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT CASE length(term)
        WHEN 0 THEN '{}'
        WHEN 1 THEN ARRAY[' ' || term]
        WHEN 2 THEN ARRAY[term]
        ELSE (
            SELECT array_agg(substr(term, place, 3))
            FROM generate_series(1, length(term) - 2) AS place
        )
    END
$$;

CREATE FUNCTION keyshop.searchable_names(title TEXT, publisher TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT lower(' ' || translate(title, E'\n', ' ') || E'\n ' || coalesce(publisher, ''))
$$;

-- to_tsvector refuses more than a megabyte of words, and a game must not fail to be stored for that.
CREATE FUNCTION keyshop.searchable_words(description TEXT) RETURNS TSVECTOR
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('simple'::regconfig, left(description, 20000))
$$;

-- Keeping them true. The functions run with their owner's rights, since who may write games need
-- not know that this schema exists.

-- The links as well: a statement that stores games and their links fires the links' triggers first,
-- when there is no row yet that they could bring up to date.
CREATE FUNCTION keyshop.add_game_facets() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.game_facets (game_id, names, price, rating, released, created, in_stock,
        is_preorder, is_best_seller, is_marked_new, multiplayer, activation_service, region,
        publisher, links)
    SELECT id, keyshop.searchable_names(title, publisher), price, "userRating", "releaseDate",
        "createdAt", "inStock", "isPreorder", "isBestSeller", "isNew", multiplayer,
        "activationService", region, publisher,
        ARRAY(
            SELECT hashtextextended("genreId", 0) FROM public.game_genres WHERE "gameId" = id
            UNION ALL
            SELECT hashtextextended("platformId", 0) FROM public.game_platforms WHERE "gameId" = id
            UNION ALL
            SELECT hashtextextended("tagId", 0) FROM public.game_tags WHERE "gameId" = id
            ORDER BY 1
        )
    FROM new_games;

    INSERT INTO keyshop.game_description_terms (game_id, words)
    SELECT id, keyshop.searchable_words(description) FROM new_games;
    RETURN NULL;
END
$$;

-- A changed id has been followed by the foreign keys already; LEFT JOIN takes such a game for a
-- changed one. Rows are locked in the order of their ids, so that two writers wait for each other at
-- most one way round. Texts are taken apart only when they are other texts.
CREATE FUNCTION keyshop.change_game_facets() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    changed TEXT[] := ARRAY(
        SELECT n.id FROM new_games AS n LEFT JOIN old_games AS o ON o.id = n.id
        WHERE (n.title, n.price, n."userRating", n."releaseDate", n."createdAt", n."inStock",
                n."isPreorder", n."isBestSeller", n."isNew", n.multiplayer, n."activationService",
                n.region, n.publisher)
            IS DISTINCT FROM (o.title, o.price, o."userRating", o."releaseDate", o."createdAt",
                o."inStock", o."isPreorder", o."isBestSeller", o."isNew", o.multiplayer,
                o."activationService", o.region, o.publisher)
    );
BEGIN
    IF cardinality(changed) > 0 THEN
        PERFORM 1 FROM keyshop.game_facets
        WHERE game_id = ANY(changed) ORDER BY game_id FOR NO KEY UPDATE;

        UPDATE keyshop.game_facets AS facets
        SET names = keyshop.searchable_names(n.title, n.publisher), price = n.price,
            rating = n."userRating", released = n."releaseDate", created = n."createdAt",
            in_stock = n."inStock", is_preorder = n."isPreorder",
            is_best_seller = n."isBestSeller", is_marked_new = n."isNew",
            multiplayer = n.multiplayer, activation_service = n."activationService",
            region = n.region, publisher = n.publisher
        FROM new_games AS n
        WHERE facets.game_id = ANY(changed) AND n.id = facets.game_id;
    END IF;

    UPDATE keyshop.game_description_terms AS found SET words = keyshop.searchable_words(n.description)
    FROM new_games AS n LEFT JOIN old_games AS o ON o.id = n.id
    WHERE found.game_id = n.id AND n.description IS DISTINCT FROM o.description;
    RETURN NULL;
END
$$;

-- Locks first and reads the links in a statement of its own: another writer's links of the same
-- game, committed while this one waited, are then among them.
CREATE FUNCTION keyshop.gather_links(game_ids TEXT[]) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM 1 FROM keyshop.game_facets
    WHERE game_id = ANY(game_ids) ORDER BY game_id FOR NO KEY UPDATE;

    UPDATE keyshop.game_facets AS facets SET links = gathered.links
    FROM (
        SELECT sought.game_id,
            ARRAY(
                SELECT hashtextextended("genreId", 0) FROM public.game_genres
                WHERE "gameId" = sought.game_id
                UNION ALL
                SELECT hashtextextended("platformId", 0) FROM public.game_platforms
                WHERE "gameId" = sought.game_id
                UNION ALL
                SELECT hashtextextended("tagId", 0) FROM public.game_tags
                WHERE "gameId" = sought.game_id
                ORDER BY 1
            ) AS links
        FROM (SELECT DISTINCT unnest(game_ids) AS game_id) AS sought
    ) AS gathered
    WHERE facets.game_id = gathered.game_id AND facets.links <> gathered.links;
END
$$;

CREATE FUNCTION keyshop.change_links() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    -- A transition table exists only for its own event, and an empty array costs nothing.
    IF TG_OP = 'INSERT' THEN
        PERFORM keyshop.gather_links(ARRAY(SELECT "gameId" FROM new_links));
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM keyshop.gather_links(ARRAY(SELECT "gameId" FROM old_links));
    ELSE
        PERFORM keyshop.gather_links(ARRAY(
            SELECT "gameId" FROM new_links UNION SELECT "gameId" FROM old_links
        ));
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION keyshop.forget_links() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM keyshop.gather_links(ARRAY(SELECT game_id FROM keyshop.game_facets));
    RETURN NULL;
END
$$;

-- ALWAYS: a restore or a replication session that switches triggers off would leave lists that
-- disagree with the games.

CREATE TRIGGER keyshop_facets_added AFTER INSERT ON public.games
    REFERENCING NEW TABLE AS new_games
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.add_game_facets();
ALTER TABLE public.games ENABLE ALWAYS TRIGGER keyshop_facets_added;

CREATE TRIGGER keyshop_facets_changed AFTER UPDATE ON public.games
    REFERENCING OLD TABLE AS old_games NEW TABLE AS new_games
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.change_game_facets();
ALTER TABLE public.games ENABLE ALWAYS TRIGGER keyshop_facets_changed;

DO $$
DECLARE
    links TEXT;
BEGIN
    FOREACH links IN ARRAY ARRAY['game_genres', 'game_platforms', 'game_tags'] LOOP
        EXECUTE format('CREATE TRIGGER keyshop_links_added AFTER INSERT ON public.%I'
            ' REFERENCING NEW TABLE AS new_links'
            ' FOR EACH STATEMENT EXECUTE FUNCTION keyshop.change_links()', links);
        EXECUTE format('CREATE TRIGGER keyshop_links_removed AFTER DELETE ON public.%I'
            ' REFERENCING OLD TABLE AS old_links'
            ' FOR EACH STATEMENT EXECUTE FUNCTION keyshop.change_links()', links);
        EXECUTE format('CREATE TRIGGER keyshop_links_changed AFTER UPDATE ON public.%I'
            ' REFERENCING OLD TABLE AS old_links NEW TABLE AS new_links'
            ' FOR EACH STATEMENT EXECUTE FUNCTION keyshop.change_links()', links);
        EXECUTE format('CREATE TRIGGER keyshop_links_emptied AFTER TRUNCATE ON public.%I'
            ' FOR EACH STATEMENT EXECUTE FUNCTION keyshop.forget_links()', links);
        EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER keyshop_links_added,'
            ' ENABLE ALWAYS TRIGGER keyshop_links_removed,'
            ' ENABLE ALWAYS TRIGGER keyshop_links_changed,'
            ' ENABLE ALWAYS TRIGGER keyshop_links_emptied', links);
    END LOOP;
END
$$;

-- What is there already.

INSERT INTO keyshop.game_facets (game_id, names, price, rating, released, created, in_stock,
    is_preorder, is_best_seller, is_marked_new, multiplayer, activation_service, region, publisher,
    links)
SELECT id, keyshop.searchable_names(title, publisher), price, "userRating", "releaseDate",
    "createdAt", "inStock", "isPreorder", "isBestSeller", "isNew", multiplayer,
    "activationService", region, publisher,
    ARRAY(
        SELECT hashtextextended("genreId", 0) FROM public.game_genres WHERE "gameId" = id
        UNION ALL
        SELECT hashtextextended("platformId", 0) FROM public.game_platforms WHERE "gameId" = id
        UNION ALL
        SELECT hashtextextended("tagId", 0) FROM public.game_tags WHERE "gameId" = id
        ORDER BY 1
    )
FROM public.games;
INSERT INTO keyshop.game_description_terms (game_id, words)
SELECT id, keyshop.searchable_words(description) FROM public.games;

-- Built last: over rows that are there already it takes a fraction of the time.

CREATE INDEX game_facets_links_idx ON keyshop.game_facets USING gin (links);
CREATE INDEX game_facets_names_idx ON keyshop.game_facets USING gin (keyshop.name_grams(names));
CREATE INDEX game_description_terms_words_idx ON keyshop.game_description_terms USING gin (words);
-- These three answer "which values are there" by jumping from one to the next.
CREATE INDEX game_facets_activation_service_idx ON keyshop.game_facets (activation_service);
CREATE INDEX game_facets_region_idx ON keyshop.game_facets (region);
CREATE INDEX game_facets_publisher_idx ON keyshop.game_facets (publisher);

-- The order of `popular` and of the best sellers: the first rows without sorting all. The included
-- column lets the last page of the catalogue be counted off without looking at a game.
CREATE INDEX IF NOT EXISTS keyshop_games_popular_idx
    ON public.games ("userRating" DESC NULLS LAST, "releaseDate" DESC, id)
    INCLUDE ("isPreorder") WHERE "inStock";
