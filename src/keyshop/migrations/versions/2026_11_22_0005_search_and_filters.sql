-- Two tables that find the ids of games for lists, filters and search; the games are then read by id.
-- Triggers keep both up to date for every writer: the sync, psql, Prisma. Nothing else may write to
-- them, and they can be rebuilt at any time.

-- Filters, sort orders and search by a part of the name. The rows of games are wide: a hash join with
-- a genre of a third of 100,000 games takes 50 ms, an array with a GIN index 12 ms.

CREATE TABLE keyshop.game_facets (
    -- Columns of a fixed width come first: PostgreSQL reads them without skipping over texts.
    released TIMESTAMP(3) NOT NULL,
    created TIMESTAMP(3) NOT NULL,
    in_stock BOOLEAN NOT NULL,
    is_preorder BOOLEAN NOT NULL,
    is_best_seller BOOLEAN NOT NULL,
    is_marked_new BOOLEAN NOT NULL,
    multiplayer BOOLEAN NOT NULL,
    game_id TEXT NOT NULL,
    -- Title and publisher in lower case, each on its own line after a space.
    names TEXT NOT NULL,
    price DECIMAL(10,2) NOT NULL,
    rating DECIMAL(3,2),
    activation_service TEXT,
    region TEXT,
    publisher TEXT,
    -- Genres, platforms and tags as hashtextextended(id, 0), a fifth of the size of the ids. Hash
    -- partitioning depends on that function, so it returns the same in every version of PostgreSQL.
    links BIGINT[] NOT NULL DEFAULT '{}',
    CONSTRAINT game_facets_pkey PRIMARY KEY (game_id),
    CONSTRAINT game_facets_game_id_fkey FOREIGN KEY (game_id)
        REFERENCES public.games (id) ON DELETE CASCADE ON UPDATE CASCADE
) WITH (fillfactor = 80);
-- No index holds price or stock, so that their updates are HOT.

-- Descriptions, searched by whole words; in a table of their own, which keeps the other rows narrow.

CREATE TABLE keyshop.game_description_terms (
    game_id TEXT NOT NULL,
    terms TSVECTOR NOT NULL,
    CONSTRAINT game_description_terms_pkey PRIMARY KEY (game_id),
    CONSTRAINT game_description_terms_game_id_fkey FOREIGN KEY (game_id)
        REFERENCES public.games (id) ON DELETE CASCADE ON UPDATE CASCADE
);

-- The 2-grams and 3-grams of a name. A space stands before the first letter of each word, so the
-- 2-gram "space, letter" matches the beginning of a word.
CREATE FUNCTION keyshop.name_ngrams(names TEXT) RETURNS TEXT[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT array_agg(substr(names, start, size))
    FROM generate_series(2, 3) AS size,
        LATERAL generate_series(1, length(names) - size + 1) AS start
$$;

-- The n-grams that every name containing the term has. Other names can have them too: the query
-- compares the name itself as well.
CREATE FUNCTION keyshop.search_ngrams(term TEXT) RETURNS TEXT[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT CASE length(term)
        WHEN 0 THEN '{}'
        WHEN 1 THEN ARRAY[' ' || term]
        WHEN 2 THEN ARRAY[term]
        ELSE (
            SELECT array_agg(substr(term, start, 3))
            FROM generate_series(1, length(term) - 2) AS start
        )
    END
$$;

CREATE FUNCTION keyshop.searchable_names(title TEXT, publisher TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT lower(' ' || translate(title, E'\n', ' ') || E'\n ' || coalesce(publisher, ''))
$$;

-- to_tsvector refuses more than a megabyte of words; a longer description must not stop the game from
-- being stored.
CREATE FUNCTION keyshop.description_terms(description TEXT) RETURNS TSVECTOR
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('simple'::regconfig, left(description, 20000))
$$;

-- Triggers. The functions run with their owner's rights (SECURITY DEFINER): a role that may write games
-- needs no rights in this schema.

-- Inserts the links as well: a statement that stores games together with their links fires the links'
-- triggers first, when the row that they would update does not exist yet.
CREATE FUNCTION keyshop.insert_game_facets() RETURNS TRIGGER
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

    INSERT INTO keyshop.game_description_terms (game_id, terms)
    SELECT id, keyshop.description_terms(description) FROM new_games;
    RETURN NULL;
END
$$;

-- The foreign keys have followed a changed id before this runs; the LEFT JOIN treats such a game as
-- changed. Rows are locked in the order of their ids, so that two writers cannot deadlock. Texts are
-- parsed only when they have changed.
--
-- enable_nestloop is off: transition tables have no index, and PL/pgSQL would keep the plan made for
-- one row, a nested loop whose cost grows with the square of the rows.
CREATE FUNCTION keyshop.update_game_facets() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET enable_nestloop = off AS $$
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
    described TEXT[] := ARRAY(
        SELECT n.id FROM new_games AS n LEFT JOIN old_games AS o ON o.id = n.id
        WHERE n.description IS DISTINCT FROM o.description
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

    -- The ids are an array: a join alone would read the whole table.
    IF cardinality(described) > 0 THEN
        UPDATE keyshop.game_description_terms AS found
        SET terms = keyshop.description_terms(n.description)
        FROM new_games AS n
        WHERE found.game_id = ANY(described) AND n.id = found.game_id;
    END IF;
    RETURN NULL;
END
$$;

-- Locks the rows first and reads the links in a second statement, which sees the links that another
-- writer of the same game committed while this one waited.
CREATE FUNCTION keyshop.refresh_links(game_ids TEXT[]) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM 1 FROM keyshop.game_facets
    WHERE game_id = ANY(game_ids) ORDER BY game_id FOR NO KEY UPDATE;

    UPDATE keyshop.game_facets AS facets SET links = current.links
    FROM (
        SELECT requested.game_id,
            ARRAY(
                SELECT hashtextextended("genreId", 0) FROM public.game_genres
                WHERE "gameId" = requested.game_id
                UNION ALL
                SELECT hashtextextended("platformId", 0) FROM public.game_platforms
                WHERE "gameId" = requested.game_id
                UNION ALL
                SELECT hashtextextended("tagId", 0) FROM public.game_tags
                WHERE "gameId" = requested.game_id
                ORDER BY 1
            ) AS links
        FROM (SELECT DISTINCT unnest(game_ids) AS game_id) AS requested
    ) AS current
    WHERE facets.game_id = current.game_id AND facets.links <> current.links;
END
$$;

CREATE FUNCTION keyshop.refresh_changed_links() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    -- Each event has its own transition tables. An empty array costs nothing.
    IF TG_OP = 'INSERT' THEN
        PERFORM keyshop.refresh_links(ARRAY(SELECT "gameId" FROM new_links));
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM keyshop.refresh_links(ARRAY(SELECT "gameId" FROM old_links));
    ELSE
        PERFORM keyshop.refresh_links(ARRAY(
            SELECT "gameId" FROM new_links UNION SELECT "gameId" FROM old_links
        ));
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION keyshop.refresh_all_links() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM keyshop.refresh_links(ARRAY(SELECT game_id FROM keyshop.game_facets));
    RETURN NULL;
END
$$;

-- ENABLE ALWAYS: otherwise a restore or a replication session, which switch ordinary triggers off, would
-- leave tables that disagree with the games.

CREATE TRIGGER keyshop_facets_inserted AFTER INSERT ON public.games
    REFERENCING NEW TABLE AS new_games
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.insert_game_facets();
ALTER TABLE public.games ENABLE ALWAYS TRIGGER keyshop_facets_inserted;

CREATE TRIGGER keyshop_facets_updated AFTER UPDATE ON public.games
    REFERENCING OLD TABLE AS old_games NEW TABLE AS new_games
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.update_game_facets();
ALTER TABLE public.games ENABLE ALWAYS TRIGGER keyshop_facets_updated;

DO $$
DECLARE
    links TEXT;
BEGIN
    FOREACH links IN ARRAY ARRAY['game_genres', 'game_platforms', 'game_tags'] LOOP
        EXECUTE format('CREATE TRIGGER keyshop_links_inserted AFTER INSERT ON public.%I'
            ' REFERENCING NEW TABLE AS new_links'
            ' FOR EACH STATEMENT EXECUTE FUNCTION keyshop.refresh_changed_links()', links);
        EXECUTE format('CREATE TRIGGER keyshop_links_deleted AFTER DELETE ON public.%I'
            ' REFERENCING OLD TABLE AS old_links'
            ' FOR EACH STATEMENT EXECUTE FUNCTION keyshop.refresh_changed_links()', links);
        EXECUTE format('CREATE TRIGGER keyshop_links_updated AFTER UPDATE ON public.%I'
            ' REFERENCING OLD TABLE AS old_links NEW TABLE AS new_links'
            ' FOR EACH STATEMENT EXECUTE FUNCTION keyshop.refresh_changed_links()', links);
        EXECUTE format('CREATE TRIGGER keyshop_links_truncated AFTER TRUNCATE ON public.%I'
            ' FOR EACH STATEMENT EXECUTE FUNCTION keyshop.refresh_all_links()', links);
        EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER keyshop_links_inserted,'
            ' ENABLE ALWAYS TRIGGER keyshop_links_deleted,'
            ' ENABLE ALWAYS TRIGGER keyshop_links_updated,'
            ' ENABLE ALWAYS TRIGGER keyshop_links_truncated', links);
    END LOOP;
END
$$;

-- The games that exist already.

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
INSERT INTO keyshop.game_description_terms (game_id, terms)
SELECT id, keyshop.description_terms(description) FROM public.games;

-- Indexes last: building them over existing rows takes a fraction of the time.

CREATE INDEX game_facets_links_idx ON keyshop.game_facets USING gin (links);
CREATE INDEX game_facets_names_idx ON keyshop.game_facets USING gin (keyshop.name_ngrams(names));
CREATE INDEX game_description_terms_terms_idx ON keyshop.game_description_terms USING gin (terms);
-- These three list the distinct values by skipping from one to the next.
CREATE INDEX game_facets_activation_service_idx ON keyshop.game_facets (activation_service);
CREATE INDEX game_facets_region_idx ON keyshop.game_facets (region);
CREATE INDEX game_facets_publisher_idx ON keyshop.game_facets (publisher);

-- The sort order of `popular` and of the best sellers: returns the first rows without a sort. With the
-- included column an index-only scan reaches the last page of the catalogue.
CREATE INDEX IF NOT EXISTS keyshop_games_popular_idx
    ON public.games ("userRating" DESC NULLS LAST, "releaseDate" DESC, id)
    INCLUDE ("isPreorder") WHERE "inStock";
