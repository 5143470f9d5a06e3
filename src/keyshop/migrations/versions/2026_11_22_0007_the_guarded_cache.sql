-- What a cache needs of the database: which keys a transaction invalidates, written down by
-- triggers in the transaction itself, and one row that says whether Redis may be believed.

-- The one row. A process looks at it ten times a second and believes what it saw for half a second.

CREATE TABLE keyshop.cache_control (
    id INTEGER NOT NULL DEFAULT 1,
    installation UUID NOT NULL DEFAULT gen_random_uuid(),
    -- Begins every value in Redis; another one makes all of them unreadable at once.
    epoch TEXT NOT NULL,
    -- Which Redis, and which contents of it; none at first.
    incarnation TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'CLOSED',
    closed_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    -- Whether the next opening must begin another epoch: rows of the outbox were given up.
    cold_next BOOLEAN NOT NULL DEFAULT true,
    -- Two looks that find the same number have found the same row.
    seq BIGINT NOT NULL DEFAULT 1,
    -- When a relay last delivered what other applications changed.
    relay_beat TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT cache_control_pkey PRIMARY KEY (id),
    CONSTRAINT cache_control_id_check CHECK (id = 1),
    CONSTRAINT cache_control_state_check CHECK (state IN ('OPEN', 'CLOSED'))
    -- Five beats a second stay on their page, and in no index.
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- What is to be invalidated: written by triggers, deleted when Redis has been told.

CREATE TABLE keyshop.cache_outbox (
    id BIGSERIAL NOT NULL,
    -- The whole transaction's, inside savepoints as well.
    xid XID8 NOT NULL DEFAULT pg_current_xact_id(),
    keys TEXT[] NOT NULL,
    groups TEXT[] NOT NULL,
    -- Whether Redis had been told before the COMMIT, so that no reader can be given an older value.
    guarded BOOLEAN NOT NULL DEFAULT false,
    created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT cache_outbox_pkey PRIMARY KEY (id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX cache_outbox_xid_idx ON keyshop.cache_outbox (xid);

CREATE FUNCTION keyshop.new_cache_epoch() RETURNS TEXT
LANGUAGE sql VOLATILE AS $$
    SELECT left(
        encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex'), 32
    )
$$;

-- Counts changes whoever makes them, by hand as well: nobody may overlook one.
CREATE FUNCTION keyshop.count_cache_change() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    NEW.seq := OLD.seq;
    IF (NEW.installation, NEW.epoch, NEW.incarnation, NEW.state, NEW.cold_next)
        IS DISTINCT FROM (OLD.installation, OLD.epoch, OLD.incarnation, OLD.state, OLD.cold_next)
    THEN
        NEW.seq := OLD.seq + 1;
    END IF;
    IF NEW.state = 'CLOSED' AND OLD.state = 'OPEN' THEN
        NEW.closed_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER count_cache_change BEFORE UPDATE ON keyshop.cache_control
    FOR EACH ROW EXECUTE FUNCTION keyshop.count_cache_change();
ALTER TABLE keyshop.cache_control ENABLE ALWAYS TRIGGER count_cache_change;

INSERT INTO keyshop.cache_control (epoch) VALUES (keyshop.new_cache_epoch());

-- Begins every name in Redis, so that two shops on one Redis do not meet; a copy that CREATE DATABASE
-- made of this one is another shop.
CREATE FUNCTION keyshop.cache_shop() RETURNS TEXT
LANGUAGE sql STABLE AS $$
    SELECT left(encode(sha256(convert_to(
        concat_ws('.', system_identifier, database.oid, installation), 'UTF8'
    )), 'hex'), 12)
    FROM pg_control_system(), keyshop.cache_control, pg_database AS database
    WHERE database.datname = current_database()
$$;

-- What every process polls. The timeline is PostgreSQL's own: a promoted standby begins another.
CREATE FUNCTION keyshop.cache_view() RETURNS TABLE (
    seq BIGINT, shop TEXT, timeline TEXT, epoch TEXT, incarnation TEXT, state TEXT,
    cold_next BOOLEAN, closed_seconds FLOAT8, beat_seconds FLOAT8
)
LANGUAGE sql STABLE AS $$
    SELECT control.seq, keyshop.cache_shop(),
        left(pg_walfile_name(pg_current_wal_lsn()), 8),
        control.epoch, control.incarnation, control.state, control.cold_next,
        extract(epoch FROM clock_timestamp() - closed_at)::float8,
        -- A clock that was set back must not make an old beat a fresh one.
        abs(extract(epoch FROM clock_timestamp() - relay_beat))::float8
    FROM keyshop.cache_control AS control
$$;

-- Before a COMMIT. The lock is shared by all who are about to commit; who opens the cache takes it
-- alone. The row is read in a statement of its own, which sees what happened while this one waited.
CREATE FUNCTION keyshop.cache_guard(guarded BOOLEAN) RETURNS keyshop.cache_control
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    control keyshop.cache_control;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'keyshop.cache_guard must be called at READ COMMITTED.'
            USING DETAIL = 'At any other level it would look at the cache as it was long ago.',
            ERRCODE = 'invalid_transaction_state';
    END IF;
    PERFORM pg_advisory_xact_lock_shared(5577006791947779410);
    SELECT * INTO control FROM keyshop.cache_control;
    UPDATE keyshop.cache_outbox AS outbox SET guarded = cache_guard.guarded
    WHERE outbox.xid = pg_current_xact_id() AND outbox.guarded <> cache_guard.guarded;
    RETURN control;
END
$$;

-- From half a second after this on nobody believes Redis.
CREATE FUNCTION keyshop.cache_close(expected_seq BIGINT DEFAULT NULL)
RETURNS keyshop.cache_control
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    control keyshop.cache_control;
BEGIN
    UPDATE keyshop.cache_control SET state = 'CLOSED'
    WHERE state = 'OPEN' AND seq = coalesce(expected_seq, seq);
    SELECT * INTO control FROM keyshop.cache_control;
    RETURN control;
END
$$;

-- The next opening begins another epoch, so nothing that is kept now can be read then.
CREATE FUNCTION keyshop.cache_demand_cold() RETURNS BOOLEAN
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
BEGIN
    UPDATE keyshop.cache_control SET cold_next = true WHERE state = 'CLOSED';
    RETURN FOUND;
END
$$;

-- Gives up on delivering: a new epoch needs no row of the outbox. Whose row is gone takes it for
-- delivered, so this must wait as writers do until nobody believes a view from before the CLOSE, and
-- the row of control stays locked until the rows are gone. Returns how many, NULL when not yet.
CREATE FUNCTION keyshop.cache_drop_outbox() RETURNS BIGINT
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    dropped BIGINT;
BEGIN
    UPDATE keyshop.cache_control SET cold_next = true
    WHERE state = 'CLOSED' AND closed_at < clock_timestamp() - interval '500 milliseconds';
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- A relay that was stopped may hold some: nobody waits for it here.
    DELETE FROM keyshop.cache_outbox WHERE id IN (
        SELECT id FROM keyshop.cache_outbox FOR UPDATE SKIP LOCKED
    );
    GET DIAGNOSTICS dropped = ROW_COUNT;
    RETURN dropped;
END
$$;

-- Opens the cache in a new epoch; false when somebody else was in the way or the row has changed.
-- To be called alone, outside a transaction: the lock is held until that ends. While a request for
-- it waits, every writer waits behind, so it waits for 50 ms at most.
CREATE FUNCTION keyshop.cache_open(expected_seq BIGINT, new_incarnation TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog SET lock_timeout = '50ms' AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(5577006791947779410);
    UPDATE keyshop.cache_control
    SET state = 'OPEN', epoch = keyshop.new_cache_epoch(), incarnation = new_incarnation,
        cold_next = false
    WHERE state = 'CLOSED' AND seq = expected_seq;
    RETURN FOUND;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;

-- The same in the old epoch, when all that was committed unguarded has been delivered: whoever
-- commits after this has seen that the cache is open.
CREATE FUNCTION keyshop.cache_open_warm(expected_seq BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog SET lock_timeout = '50ms' AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(5577006791947779410);
    UPDATE keyshop.cache_control SET state = 'OPEN'
    WHERE state = 'CLOSED' AND seq = expected_seq AND NOT cold_next
        AND NOT EXISTS (SELECT FROM keyshop.cache_outbox WHERE NOT guarded);
    RETURN FOUND;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;

-- Keys, made of the parts that rows hold. More than 500 become their family's group: NULL stands for
-- them. What cannot be part of a key is left out; nobody keeps anything under it. The length is a
-- condition of its own: counted by the expression it costs twenty times as much.

CREATE FUNCTION keyshop.cache_keys(before TEXT, parts TEXT[], after TEXT) RETURNS TEXT[]
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    keys TEXT[];
BEGIN
    -- What nearly every statement comes down to needs no query.
    IF cardinality(parts) = 1 THEN
        RETURN CASE WHEN length(parts[1]) <= 64 AND parts[1] ~ '^[A-Za-z0-9_-]+$'
            THEN ARRAY[before || parts[1] || after] ELSE '{}' END;
    END IF;
    keys := ARRAY(
        SELECT DISTINCT (before || part || after) COLLATE "C" FROM unnest(parts) AS part
        WHERE length(part) <= 64 AND part ~ '^[A-Za-z0-9_-]+$' LIMIT 501
    );
    RETURN CASE WHEN cardinality(keys) <= 500 THEN keys END;
END
$$;

CREATE FUNCTION keyshop.cache_digest_keys(before TEXT, texts TEXT[], after TEXT) RETURNS TEXT[]
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF cardinality(texts) <> 1 THEN
        texts := ARRAY(
            SELECT DISTINCT part COLLATE "C" FROM unnest(texts) AS part
            WHERE part IS NOT NULL LIMIT 501
        );
        IF cardinality(texts) > 500 THEN
            RETURN NULL;
        END IF;
    ELSIF texts[1] IS NOT NULL THEN
        RETURN ARRAY[
            before || left(encode(sha256(convert_to(texts[1], 'UTF8')), 'hex'), 32) || after
        ];
    END IF;
    RETURN ARRAY(
        SELECT before || left(encode(sha256(convert_to(part, 'UTF8')), 'hex'), 32) || after
        FROM unnest(texts) AS part WHERE part IS NOT NULL
    );
END
$$;

-- Parts that stand in other rows, locked as a foreign key locks them: whoever is about to change the
-- part waits, or has committed and the new one is found. Otherwise an answer without this change
-- could be kept under the new part: neither of the two would know of the other. The part is read in
-- a statement after the lock, since the one that waited returns what it saw before.

CREATE FUNCTION keyshop.cache_games_slug(ids TEXT[]) RETURNS TEXT[]
LANGUAGE plpgsql VOLATILE STRICT AS $$
BEGIN
    ids := ARRAY(
        SELECT DISTINCT id COLLATE "C" FROM unnest(ids) AS id WHERE id IS NOT NULL LIMIT 501
    );
    IF cardinality(ids) > 500 THEN
        RETURN NULL;
    END IF;
    PERFORM FROM public.games WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    RETURN ARRAY(SELECT slug FROM public.games WHERE id = ANY(ids));
END
$$;

CREATE FUNCTION keyshop.cache_orders_userid(ids TEXT[]) RETURNS TEXT[]
LANGUAGE plpgsql VOLATILE STRICT AS $$
BEGIN
    ids := ARRAY(
        SELECT DISTINCT id COLLATE "C" FROM unnest(ids) AS id WHERE id IS NOT NULL LIMIT 501
    );
    IF cardinality(ids) > 500 THEN
        RETURN NULL;
    END IF;
    PERFORM FROM public.orders WHERE id = ANY(ids) ORDER BY id FOR KEY SHARE;
    RETURN ARRAY(SELECT "userId" FROM public.orders WHERE id = ANY(ids));
END
$$;

-- What a changed row takes, table by table: derived from keyshop/cache_keys.py. One row in the outbox
-- for each statement, none when nothing changed that anybody is shown. The functions run with their
-- owner's rights, since who may write games need not know that this schema exists. ALWAYS: a session
-- that switches triggers off is followed by readers like any other.

CREATE FUNCTION keyshop.cache_games_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n.id),
        array_agg(n.slug)
    INTO concerned, game_keys, game_by_slug_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', coalesce(game_by_slug_keys, '{}'), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.games
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_games_inserted();
ALTER TABLE public.games ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_games_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    of_prices boolean;
    of_titles boolean;
    moved text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n.id) || array_agg(o.id) FILTER (WHERE o.id IS DISTINCT FROM n.id),
        array_agg(n.slug) || array_agg(o.slug) FILTER (WHERE o.slug IS DISTINCT FROM n.slug),
        bool_or((o.price, o."inStock", o."originalPrice", o.currency, o.title, o.slug, o.image) IS DISTINCT FROM
        (n.price, n."inStock", n."originalPrice", n.currency, n.title, n.slug, n.image)),
        bool_or((o.title, o.slug, o.image) IS DISTINCT FROM
        (n.title, n.slug, n.image)),
        array_agg(n.id) FILTER (WHERE o.slug IS DISTINCT FROM n.slug)
    INTO concerned, game_keys, game_by_slug_keys, of_prices, of_titles, moved
    FROM old_rows AS o FULL JOIN new_rows AS n ON o.id = n.id
    WHERE (o.price, o."inStock", o."originalPrice", o.discount, o.currency, o.title, o.slug,
        o.image, o."releaseDate", o."metacriticScore", o."userRating", o."ageRating",
        o.multiplayer, o."activationService", o.region, o.publisher, o."isBestSeller",
        o."isNew", o."isPreorder", o."createdAt", o.images, o."shortDescription",
        o.description) IS DISTINCT FROM
    (n.price, n."inStock", n."originalPrice", n.discount, n.currency, n.title, n.slug,
        n.image, n."releaseDate", n."metacriticScore", n."userRating", n."ageRating",
        n.multiplayer, n."activationService", n.region, n.publisher, n."isBestSeller",
        n."isNew", n."isPreorder", n."createdAt", n.images, n."shortDescription",
        n.description);
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    IF moved IS NOT NULL THEN
        PERFORM FROM public.games WHERE id = ANY(moved) ORDER BY id FOR UPDATE;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', coalesce(game_by_slug_keys, '{}'), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        CASE WHEN of_prices THEN 'prices' END,
        CASE WHEN of_titles THEN 'titles' END,
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.games
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_games_updated();
ALTER TABLE public.games ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_games_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o.id),
        array_agg(o.slug)
    INTO concerned, game_keys, game_by_slug_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', coalesce(game_by_slug_keys, '{}'), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        'prices',
        'titles',
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.games
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_games_deleted();
ALTER TABLE public.games ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_games_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{games,home,catalog,prices,titles}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.games
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_games_emptied();
ALTER TABLE public.games ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_game_genres_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."gameId"),
        array_agg(n."gameId")
    INTO concerned, game_keys, game_by_slug_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', keyshop.cache_games_slug(coalesce(game_by_slug_keys, '{}')), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.game_genres
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_genres_inserted();
ALTER TABLE public.game_genres ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_game_genres_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."gameId") || array_agg(o."gameId") FILTER (WHERE o."gameId" IS DISTINCT FROM n."gameId"),
        array_agg(n."gameId") || array_agg(o."gameId") FILTER (WHERE o."gameId" IS DISTINCT FROM n."gameId")
    INTO concerned, game_keys, game_by_slug_keys
    FROM old_rows AS o FULL JOIN new_rows AS n ON o."gameId" = n."gameId" AND o."genreId" = n."genreId"
    WHERE (o."gameId", o."genreId") IS DISTINCT FROM
    (n."gameId", n."genreId");
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', keyshop.cache_games_slug(coalesce(game_by_slug_keys, '{}')), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.game_genres
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_genres_updated();
ALTER TABLE public.game_genres ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_game_genres_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o."gameId"),
        array_agg(o."gameId")
    INTO concerned, game_keys, game_by_slug_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', keyshop.cache_games_slug(coalesce(game_by_slug_keys, '{}')), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.game_genres
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_genres_deleted();
ALTER TABLE public.game_genres ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_game_genres_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{games,home,catalog}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.game_genres
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_genres_emptied();
ALTER TABLE public.game_genres ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_game_platforms_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."gameId"),
        array_agg(n."gameId")
    INTO concerned, game_keys, game_by_slug_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', keyshop.cache_games_slug(coalesce(game_by_slug_keys, '{}')), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        'prices',
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.game_platforms
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_platforms_inserted();
ALTER TABLE public.game_platforms ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_game_platforms_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."gameId") || array_agg(o."gameId") FILTER (WHERE o."gameId" IS DISTINCT FROM n."gameId"),
        array_agg(n."gameId") || array_agg(o."gameId") FILTER (WHERE o."gameId" IS DISTINCT FROM n."gameId")
    INTO concerned, game_keys, game_by_slug_keys
    FROM old_rows AS o FULL JOIN new_rows AS n ON o."gameId" = n."gameId" AND o."platformId" = n."platformId"
    WHERE (o."gameId", o."platformId") IS DISTINCT FROM
    (n."gameId", n."platformId");
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', keyshop.cache_games_slug(coalesce(game_by_slug_keys, '{}')), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        'prices',
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.game_platforms
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_platforms_updated();
ALTER TABLE public.game_platforms ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_game_platforms_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o."gameId"),
        array_agg(o."gameId")
    INTO concerned, game_keys, game_by_slug_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', keyshop.cache_games_slug(coalesce(game_by_slug_keys, '{}')), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        'prices',
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.game_platforms
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_platforms_deleted();
ALTER TABLE public.game_platforms ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_game_platforms_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{games,home,catalog,prices}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.game_platforms
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_platforms_emptied();
ALTER TABLE public.game_platforms ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_game_tags_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."gameId"),
        array_agg(n."gameId")
    INTO concerned, game_keys, game_by_slug_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', keyshop.cache_games_slug(coalesce(game_by_slug_keys, '{}')), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.game_tags
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_tags_inserted();
ALTER TABLE public.game_tags ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_game_tags_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."gameId") || array_agg(o."gameId") FILTER (WHERE o."gameId" IS DISTINCT FROM n."gameId"),
        array_agg(n."gameId") || array_agg(o."gameId") FILTER (WHERE o."gameId" IS DISTINCT FROM n."gameId")
    INTO concerned, game_keys, game_by_slug_keys
    FROM old_rows AS o FULL JOIN new_rows AS n ON o."gameId" = n."gameId" AND o."tagId" = n."tagId"
    WHERE (o."gameId", o."tagId") IS DISTINCT FROM
    (n."gameId", n."tagId");
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', keyshop.cache_games_slug(coalesce(game_by_slug_keys, '{}')), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.game_tags
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_tags_updated();
ALTER TABLE public.game_tags ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_game_tags_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o."gameId"),
        array_agg(o."gameId")
    INTO concerned, game_keys, game_by_slug_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', keyshop.cache_games_slug(coalesce(game_by_slug_keys, '{}')), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.game_tags
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_tags_deleted();
ALTER TABLE public.game_tags ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_game_tags_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{games,home,catalog}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.game_tags
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_tags_emptied();
ALTER TABLE public.game_tags ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_game_categories_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."gameId"),
        array_agg(n."gameId")
    INTO concerned, game_keys, game_by_slug_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', keyshop.cache_games_slug(coalesce(game_by_slug_keys, '{}')), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.game_categories
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_categories_inserted();
ALTER TABLE public.game_categories ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_game_categories_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."gameId") || array_agg(o."gameId") FILTER (WHERE o."gameId" IS DISTINCT FROM n."gameId"),
        array_agg(n."gameId") || array_agg(o."gameId") FILTER (WHERE o."gameId" IS DISTINCT FROM n."gameId")
    INTO concerned, game_keys, game_by_slug_keys
    FROM old_rows AS o FULL JOIN new_rows AS n ON o."gameId" = n."gameId" AND o."categoryId" = n."categoryId"
    WHERE (o."gameId", o."categoryId") IS DISTINCT FROM
    (n."gameId", n."categoryId");
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', keyshop.cache_games_slug(coalesce(game_by_slug_keys, '{}')), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.game_categories
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_categories_updated();
ALTER TABLE public.game_categories ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_game_categories_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    game_keys text[];
    game_by_slug_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o."gameId"),
        array_agg(o."gameId")
    INTO concerned, game_keys, game_by_slug_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    game_keys := keyshop.cache_keys('game:', coalesce(game_keys, '{}'), '');
    game_by_slug_keys := keyshop.cache_digest_keys('game:slug:', keyshop.cache_games_slug(coalesce(game_by_slug_keys, '{}')), '');
    taken_groups := array_remove(ARRAY[
        'home',
        'catalog',
        CASE WHEN game_keys IS NULL OR game_by_slug_keys IS NULL THEN 'games' END
    ], NULL);
    taken_keys := coalesce(game_keys || game_by_slug_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.game_categories
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_categories_deleted();
ALTER TABLE public.game_categories ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_game_categories_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{games,home,catalog}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.game_categories
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_categories_emptied();
ALTER TABLE public.game_categories ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_genres_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*)
    INTO concerned
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    taken_groups := array_remove(ARRAY[
        'catalog'
    ], NULL);
    taken_keys := coalesce('{}', '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.genres
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_genres_inserted();
ALTER TABLE public.genres ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_genres_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*)
    INTO concerned
    FROM old_rows AS o FULL JOIN new_rows AS n ON o.id = n.id
    WHERE (o.name, o.slug) IS DISTINCT FROM
    (n.name, n.slug);
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    taken_groups := array_remove(ARRAY[
        'catalog',
        'games',
        'home'
    ], NULL);
    taken_keys := coalesce('{}', '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.genres
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_genres_updated();
ALTER TABLE public.genres ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_genres_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*)
    INTO concerned
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    taken_groups := array_remove(ARRAY[
        'catalog',
        'games',
        'home'
    ], NULL);
    taken_keys := coalesce('{}', '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.genres
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_genres_deleted();
ALTER TABLE public.genres ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_genres_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{catalog,games,home}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.genres
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_genres_emptied();
ALTER TABLE public.genres ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_platforms_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*)
    INTO concerned
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    taken_groups := array_remove(ARRAY[
        'catalog'
    ], NULL);
    taken_keys := coalesce('{}', '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.platforms
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_platforms_inserted();
ALTER TABLE public.platforms ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_platforms_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*)
    INTO concerned
    FROM old_rows AS o FULL JOIN new_rows AS n ON o.id = n.id
    WHERE (o.name, o.slug) IS DISTINCT FROM
    (n.name, n.slug);
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    taken_groups := array_remove(ARRAY[
        'catalog',
        'games',
        'home',
        'prices'
    ], NULL);
    taken_keys := coalesce('{}', '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.platforms
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_platforms_updated();
ALTER TABLE public.platforms ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_platforms_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*)
    INTO concerned
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    taken_groups := array_remove(ARRAY[
        'catalog',
        'games',
        'home',
        'prices'
    ], NULL);
    taken_keys := coalesce('{}', '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.platforms
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_platforms_deleted();
ALTER TABLE public.platforms ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_platforms_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{catalog,games,home,prices}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.platforms
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_platforms_emptied();
ALTER TABLE public.platforms ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_tags_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*)
    INTO concerned
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    taken_groups := array_remove(ARRAY[
        'catalog'
    ], NULL);
    taken_keys := coalesce('{}', '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.tags
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_tags_inserted();
ALTER TABLE public.tags ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_tags_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*)
    INTO concerned
    FROM old_rows AS o FULL JOIN new_rows AS n ON o.id = n.id
    WHERE (o.name, o.slug) IS DISTINCT FROM
    (n.name, n.slug);
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    taken_groups := array_remove(ARRAY[
        'catalog',
        'games',
        'home'
    ], NULL);
    taken_keys := coalesce('{}', '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.tags
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_tags_updated();
ALTER TABLE public.tags ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_tags_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*)
    INTO concerned
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    taken_groups := array_remove(ARRAY[
        'catalog',
        'games',
        'home'
    ], NULL);
    taken_keys := coalesce('{}', '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.tags
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_tags_deleted();
ALTER TABLE public.tags ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_tags_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{catalog,games,home}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.tags
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_tags_emptied();
ALTER TABLE public.tags ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_categories_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*)
    INTO concerned
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    taken_groups := array_remove(ARRAY[
        'catalog'
    ], NULL);
    taken_keys := coalesce('{}', '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.categories
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_categories_inserted();
ALTER TABLE public.categories ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_categories_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*)
    INTO concerned
    FROM old_rows AS o FULL JOIN new_rows AS n ON o.id = n.id
    WHERE (o.name, o.slug) IS DISTINCT FROM
    (n.name, n.slug);
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    taken_groups := array_remove(ARRAY[
        'catalog',
        'games',
        'home'
    ], NULL);
    taken_keys := coalesce('{}', '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.categories
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_categories_updated();
ALTER TABLE public.categories ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_categories_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*)
    INTO concerned
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    taken_groups := array_remove(ARRAY[
        'catalog',
        'games',
        'home'
    ], NULL);
    taken_keys := coalesce('{}', '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.categories
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_categories_deleted();
ALTER TABLE public.categories ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_categories_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{catalog,games,home}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.categories
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_categories_emptied();
ALTER TABLE public.categories ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_users_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    profile_keys text[];
    access_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n.id),
        array_agg(n.id)
    INTO concerned, profile_keys, access_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    profile_keys := keyshop.cache_keys('user:', coalesce(profile_keys, '{}'), ':profile');
    access_keys := keyshop.cache_keys('user:', coalesce(access_keys, '{}'), ':access');
    taken_groups := array_remove(ARRAY[
        CASE WHEN profile_keys IS NULL THEN 'profiles' END,
        CASE WHEN access_keys IS NULL THEN 'access' END
    ], NULL);
    taken_keys := coalesce(profile_keys || access_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.users
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_users_inserted();
ALTER TABLE public.users ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_users_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    profile_keys text[];
    access_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n.id) FILTER (WHERE (o.balance, o.email, o.nickname, o."firstName", o."lastName", o.avatar, o.role,
            o."emailVerified", o."createdAt") IS DISTINCT FROM
        (n.balance, n.email, n.nickname, n."firstName", n."lastName", n.avatar, n.role,
            n."emailVerified", n."createdAt"))
            || array_agg(o.id) FILTER (WHERE o.id IS DISTINCT FROM n.id),
        array_agg(n.id) FILTER (WHERE (o.role, o."passwordHash") IS DISTINCT FROM
        (n.role, n."passwordHash"))
            || array_agg(o.id) FILTER (WHERE o.id IS DISTINCT FROM n.id)
    INTO concerned, profile_keys, access_keys
    FROM old_rows AS o FULL JOIN new_rows AS n ON o.id = n.id
    WHERE (o.balance, o.email, o.nickname, o."firstName", o."lastName", o.avatar, o.role,
        o."emailVerified", o."createdAt", o."passwordHash") IS DISTINCT FROM
    (n.balance, n.email, n.nickname, n."firstName", n."lastName", n.avatar, n.role,
        n."emailVerified", n."createdAt", n."passwordHash");
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    profile_keys := keyshop.cache_keys('user:', coalesce(profile_keys, '{}'), ':profile');
    access_keys := keyshop.cache_keys('user:', coalesce(access_keys, '{}'), ':access');
    taken_groups := array_remove(ARRAY[
        CASE WHEN profile_keys IS NULL THEN 'profiles' END,
        CASE WHEN access_keys IS NULL THEN 'access' END
    ], NULL);
    taken_keys := coalesce(profile_keys || access_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.users
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_users_updated();
ALTER TABLE public.users ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_users_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    profile_keys text[];
    access_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o.id),
        array_agg(o.id)
    INTO concerned, profile_keys, access_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    profile_keys := keyshop.cache_keys('user:', coalesce(profile_keys, '{}'), ':profile');
    access_keys := keyshop.cache_keys('user:', coalesce(access_keys, '{}'), ':access');
    taken_groups := array_remove(ARRAY[
        CASE WHEN profile_keys IS NULL THEN 'profiles' END,
        CASE WHEN access_keys IS NULL THEN 'access' END
    ], NULL);
    taken_keys := coalesce(profile_keys || access_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.users
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_users_deleted();
ALTER TABLE public.users ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_users_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{profiles,access}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.users
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_users_emptied();
ALTER TABLE public.users ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_cart_items_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    cart_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."userId")
    INTO concerned, cart_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    cart_keys := keyshop.cache_keys('user:', coalesce(cart_keys, '{}'), ':cart');
    taken_groups := array_remove(ARRAY[
        CASE WHEN cart_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(cart_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.cart_items
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_cart_items_inserted();
ALTER TABLE public.cart_items ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_cart_items_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    cart_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."userId") || array_agg(o."userId") FILTER (WHERE o."userId" IS DISTINCT FROM n."userId")
    INTO concerned, cart_keys
    FROM old_rows AS o FULL JOIN new_rows AS n ON o."userId" = n."userId" AND o."gameId" = n."gameId"
    WHERE (o."userId", o."gameId", o.quantity, o."addedAt") IS DISTINCT FROM
    (n."userId", n."gameId", n.quantity, n."addedAt");
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    cart_keys := keyshop.cache_keys('user:', coalesce(cart_keys, '{}'), ':cart');
    taken_groups := array_remove(ARRAY[
        CASE WHEN cart_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(cart_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.cart_items
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_cart_items_updated();
ALTER TABLE public.cart_items ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_cart_items_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    cart_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o."userId")
    INTO concerned, cart_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    cart_keys := keyshop.cache_keys('user:', coalesce(cart_keys, '{}'), ':cart');
    taken_groups := array_remove(ARRAY[
        CASE WHEN cart_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(cart_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.cart_items
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_cart_items_deleted();
ALTER TABLE public.cart_items ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_cart_items_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{prices}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.cart_items
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_cart_items_emptied();
ALTER TABLE public.cart_items ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_wishlist_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    wishlist_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."userId")
    INTO concerned, wishlist_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    wishlist_keys := keyshop.cache_keys('user:', coalesce(wishlist_keys, '{}'), ':wishlist');
    taken_groups := array_remove(ARRAY[
        CASE WHEN wishlist_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(wishlist_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.wishlist
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_wishlist_inserted();
ALTER TABLE public.wishlist ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_wishlist_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    wishlist_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."userId") || array_agg(o."userId") FILTER (WHERE o."userId" IS DISTINCT FROM n."userId")
    INTO concerned, wishlist_keys
    FROM old_rows AS o FULL JOIN new_rows AS n ON o."userId" = n."userId" AND o."gameId" = n."gameId"
    WHERE (o."userId", o."gameId", o."addedAt") IS DISTINCT FROM
    (n."userId", n."gameId", n."addedAt");
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    wishlist_keys := keyshop.cache_keys('user:', coalesce(wishlist_keys, '{}'), ':wishlist');
    taken_groups := array_remove(ARRAY[
        CASE WHEN wishlist_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(wishlist_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.wishlist
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_wishlist_updated();
ALTER TABLE public.wishlist ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_wishlist_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    wishlist_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o."userId")
    INTO concerned, wishlist_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    wishlist_keys := keyshop.cache_keys('user:', coalesce(wishlist_keys, '{}'), ':wishlist');
    taken_groups := array_remove(ARRAY[
        CASE WHEN wishlist_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(wishlist_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.wishlist
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_wishlist_deleted();
ALTER TABLE public.wishlist ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_wishlist_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{prices}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.wishlist
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_wishlist_emptied();
ALTER TABLE public.wishlist ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_orders_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    order_keys text[];
    orders_keys text[];
    profile_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n.id),
        array_agg(n."userId"),
        array_agg(n."userId")
    INTO concerned, order_keys, orders_keys, profile_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    order_keys := keyshop.cache_keys('order:', coalesce(order_keys, '{}'), '');
    orders_keys := keyshop.cache_keys('user:', coalesce(orders_keys, '{}'), ':orders');
    profile_keys := keyshop.cache_keys('user:', coalesce(profile_keys, '{}'), ':profile');
    taken_groups := array_remove(ARRAY[
        CASE WHEN order_keys IS NULL OR orders_keys IS NULL THEN 'titles' END,
        CASE WHEN profile_keys IS NULL THEN 'profiles' END
    ], NULL);
    taken_keys := coalesce(order_keys || orders_keys || profile_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.orders
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_orders_inserted();
ALTER TABLE public.orders ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_orders_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    order_keys text[];
    orders_keys text[];
    profile_keys text[];
    moved text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n.id) || array_agg(o.id) FILTER (WHERE o.id IS DISTINCT FROM n.id),
        array_agg(n."userId") || array_agg(o."userId") FILTER (WHERE o."userId" IS DISTINCT FROM n."userId"),
        array_agg(n."userId") FILTER (WHERE (o."userId", o.status, o.discount) IS DISTINCT FROM
        (n."userId", n.status, n.discount))
            || array_agg(o."userId") FILTER (WHERE o."userId" IS DISTINCT FROM n."userId"),
        array_agg(n.id) FILTER (WHERE o."userId" IS DISTINCT FROM n."userId")
    INTO concerned, order_keys, orders_keys, profile_keys, moved
    FROM old_rows AS o FULL JOIN new_rows AS n ON o.id = n.id
    WHERE (o."userId", o.status, o.subtotal, o.discount, o.total, o."paymentMethod",
        o."paymentStatus", o."promoCode", o."createdAt", o."completedAt") IS DISTINCT FROM
    (n."userId", n.status, n.subtotal, n.discount, n.total, n."paymentMethod",
        n."paymentStatus", n."promoCode", n."createdAt", n."completedAt");
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    IF moved IS NOT NULL THEN
        PERFORM FROM public.orders WHERE id = ANY(moved) ORDER BY id FOR UPDATE;
    END IF;
    order_keys := keyshop.cache_keys('order:', coalesce(order_keys, '{}'), '');
    orders_keys := keyshop.cache_keys('user:', coalesce(orders_keys, '{}'), ':orders');
    profile_keys := keyshop.cache_keys('user:', coalesce(profile_keys, '{}'), ':profile');
    taken_groups := array_remove(ARRAY[
        CASE WHEN order_keys IS NULL OR orders_keys IS NULL THEN 'titles' END,
        CASE WHEN profile_keys IS NULL THEN 'profiles' END
    ], NULL);
    taken_keys := coalesce(order_keys || orders_keys || profile_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.orders
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_orders_updated();
ALTER TABLE public.orders ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_orders_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    order_keys text[];
    orders_keys text[];
    profile_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o.id),
        array_agg(o."userId"),
        array_agg(o."userId")
    INTO concerned, order_keys, orders_keys, profile_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    order_keys := keyshop.cache_keys('order:', coalesce(order_keys, '{}'), '');
    orders_keys := keyshop.cache_keys('user:', coalesce(orders_keys, '{}'), ':orders');
    profile_keys := keyshop.cache_keys('user:', coalesce(profile_keys, '{}'), ':profile');
    taken_groups := array_remove(ARRAY[
        CASE WHEN order_keys IS NULL OR orders_keys IS NULL THEN 'titles' END,
        CASE WHEN profile_keys IS NULL THEN 'profiles' END
    ], NULL);
    taken_keys := coalesce(order_keys || orders_keys || profile_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.orders
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_orders_deleted();
ALTER TABLE public.orders ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_orders_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{titles,profiles}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.orders
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_orders_emptied();
ALTER TABLE public.orders ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_order_items_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    order_keys text[];
    orders_keys text[];
    profile_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."orderId"),
        array_agg(n."orderId"),
        array_agg(n."orderId")
    INTO concerned, order_keys, orders_keys, profile_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    order_keys := keyshop.cache_keys('order:', coalesce(order_keys, '{}'), '');
    orders_keys := keyshop.cache_keys('user:', keyshop.cache_orders_userid(coalesce(orders_keys, '{}')), ':orders');
    profile_keys := keyshop.cache_keys('user:', keyshop.cache_orders_userid(coalesce(profile_keys, '{}')), ':profile');
    taken_groups := array_remove(ARRAY[
        CASE WHEN order_keys IS NULL OR orders_keys IS NULL THEN 'titles' END,
        CASE WHEN profile_keys IS NULL THEN 'profiles' END
    ], NULL);
    taken_keys := coalesce(order_keys || orders_keys || profile_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.order_items
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_order_items_inserted();
ALTER TABLE public.order_items ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_order_items_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    order_keys text[];
    orders_keys text[];
    profile_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."orderId") || array_agg(o."orderId") FILTER (WHERE o."orderId" IS DISTINCT FROM n."orderId"),
        array_agg(n."orderId") || array_agg(o."orderId") FILTER (WHERE o."orderId" IS DISTINCT FROM n."orderId"),
        array_agg(n."orderId") FILTER (WHERE (o."orderId", o.quantity) IS DISTINCT FROM
        (n."orderId", n.quantity))
            || array_agg(o."orderId") FILTER (WHERE o."orderId" IS DISTINCT FROM n."orderId")
    INTO concerned, order_keys, orders_keys, profile_keys
    FROM old_rows AS o FULL JOIN new_rows AS n ON o.id = n.id
    WHERE (o."orderId", o."gameId", o.quantity, o.price, o.discount) IS DISTINCT FROM
    (n."orderId", n."gameId", n.quantity, n.price, n.discount);
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    order_keys := keyshop.cache_keys('order:', coalesce(order_keys, '{}'), '');
    orders_keys := keyshop.cache_keys('user:', keyshop.cache_orders_userid(coalesce(orders_keys, '{}')), ':orders');
    profile_keys := keyshop.cache_keys('user:', keyshop.cache_orders_userid(coalesce(profile_keys, '{}')), ':profile');
    taken_groups := array_remove(ARRAY[
        CASE WHEN order_keys IS NULL OR orders_keys IS NULL THEN 'titles' END,
        CASE WHEN profile_keys IS NULL THEN 'profiles' END
    ], NULL);
    taken_keys := coalesce(order_keys || orders_keys || profile_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.order_items
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_order_items_updated();
ALTER TABLE public.order_items ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_order_items_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    order_keys text[];
    orders_keys text[];
    profile_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o."orderId"),
        array_agg(o."orderId"),
        array_agg(o."orderId")
    INTO concerned, order_keys, orders_keys, profile_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    order_keys := keyshop.cache_keys('order:', coalesce(order_keys, '{}'), '');
    orders_keys := keyshop.cache_keys('user:', keyshop.cache_orders_userid(coalesce(orders_keys, '{}')), ':orders');
    profile_keys := keyshop.cache_keys('user:', keyshop.cache_orders_userid(coalesce(profile_keys, '{}')), ':profile');
    taken_groups := array_remove(ARRAY[
        CASE WHEN order_keys IS NULL OR orders_keys IS NULL THEN 'titles' END,
        CASE WHEN profile_keys IS NULL THEN 'profiles' END
    ], NULL);
    taken_keys := coalesce(order_keys || orders_keys || profile_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.order_items
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_order_items_deleted();
ALTER TABLE public.order_items ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_order_items_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{titles,profiles}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.order_items
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_order_items_emptied();
ALTER TABLE public.order_items ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_game_keys_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    order_keys text[];
    orders_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."orderId"),
        array_agg(n."orderId")
    INTO concerned, order_keys, orders_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    order_keys := keyshop.cache_keys('order:', coalesce(order_keys, '{}'), '');
    orders_keys := keyshop.cache_keys('user:', keyshop.cache_orders_userid(coalesce(orders_keys, '{}')), ':orders');
    taken_groups := array_remove(ARRAY[
        CASE WHEN order_keys IS NULL OR orders_keys IS NULL THEN 'titles' END
    ], NULL);
    taken_keys := coalesce(order_keys || orders_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.game_keys
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_keys_inserted();
ALTER TABLE public.game_keys ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_game_keys_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    order_keys text[];
    orders_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."orderId") || array_agg(o."orderId") FILTER (WHERE o."orderId" IS DISTINCT FROM n."orderId"),
        array_agg(n."orderId") || array_agg(o."orderId") FILTER (WHERE o."orderId" IS DISTINCT FROM n."orderId")
    INTO concerned, order_keys, orders_keys
    FROM old_rows AS o FULL JOIN new_rows AS n ON o.id = n.id
    WHERE (o."orderId", o."gameId", o.key, o.activated, o."activationDate") IS DISTINCT FROM
    (n."orderId", n."gameId", n.key, n.activated, n."activationDate");
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    order_keys := keyshop.cache_keys('order:', coalesce(order_keys, '{}'), '');
    orders_keys := keyshop.cache_keys('user:', keyshop.cache_orders_userid(coalesce(orders_keys, '{}')), ':orders');
    taken_groups := array_remove(ARRAY[
        CASE WHEN order_keys IS NULL OR orders_keys IS NULL THEN 'titles' END
    ], NULL);
    taken_keys := coalesce(order_keys || orders_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.game_keys
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_keys_updated();
ALTER TABLE public.game_keys ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_game_keys_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    order_keys text[];
    orders_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o."orderId"),
        array_agg(o."orderId")
    INTO concerned, order_keys, orders_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    order_keys := keyshop.cache_keys('order:', coalesce(order_keys, '{}'), '');
    orders_keys := keyshop.cache_keys('user:', keyshop.cache_orders_userid(coalesce(orders_keys, '{}')), ':orders');
    taken_groups := array_remove(ARRAY[
        CASE WHEN order_keys IS NULL OR orders_keys IS NULL THEN 'titles' END
    ], NULL);
    taken_keys := coalesce(order_keys || orders_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.game_keys
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_keys_deleted();
ALTER TABLE public.game_keys ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_game_keys_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{titles}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.game_keys
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_game_keys_emptied();
ALTER TABLE public.game_keys ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_transactions_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    transactions_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."userId")
    INTO concerned, transactions_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    transactions_keys := keyshop.cache_keys('user:', coalesce(transactions_keys, '{}'), ':transactions');
    taken_groups := array_remove(ARRAY[
        CASE WHEN transactions_keys IS NULL THEN 'transactions' END
    ], NULL);
    taken_keys := coalesce(transactions_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.transactions
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_transactions_inserted();
ALTER TABLE public.transactions ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_transactions_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    transactions_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."userId") || array_agg(o."userId") FILTER (WHERE o."userId" IS DISTINCT FROM n."userId")
    INTO concerned, transactions_keys
    FROM old_rows AS o FULL JOIN new_rows AS n ON o.id = n.id
    WHERE (o."userId", o."orderId", o.type, o.amount, o.currency, o.method, o.status,
        o.description, o."transactionHash", o."createdAt") IS DISTINCT FROM
    (n."userId", n."orderId", n.type, n.amount, n.currency, n.method, n.status,
        n.description, n."transactionHash", n."createdAt");
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    transactions_keys := keyshop.cache_keys('user:', coalesce(transactions_keys, '{}'), ':transactions');
    taken_groups := array_remove(ARRAY[
        CASE WHEN transactions_keys IS NULL THEN 'transactions' END
    ], NULL);
    taken_keys := coalesce(transactions_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.transactions
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_transactions_updated();
ALTER TABLE public.transactions ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_transactions_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    transactions_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o."userId")
    INTO concerned, transactions_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    transactions_keys := keyshop.cache_keys('user:', coalesce(transactions_keys, '{}'), ':transactions');
    taken_groups := array_remove(ARRAY[
        CASE WHEN transactions_keys IS NULL THEN 'transactions' END
    ], NULL);
    taken_keys := coalesce(transactions_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.transactions
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_transactions_deleted();
ALTER TABLE public.transactions ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_transactions_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{transactions}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.transactions
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_transactions_emptied();
ALTER TABLE public.transactions ENABLE ALWAYS TRIGGER keyshop_cache_emptied;
