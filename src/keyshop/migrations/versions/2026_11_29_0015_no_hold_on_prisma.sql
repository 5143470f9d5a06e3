-- Prisma drops primary keys, renames columns and changes their types. PostgreSQL refuses that while a
-- foreign key or a condition of keyshop depends on them, and a trigger of keyshop that reads a column
-- which is gone would make Prisma's own writes fail.

-- The strongest lock that is needed below, at once: raising a lock could deadlock with a reader.
LOCK TABLE public.users, public.sessions, public.games IN ACCESS EXCLUSIVE MODE;

-- Changes that a trigger could not follow, because columns that it reads were missing or had another
-- type. A worker follows them (`keyshop.follow_missed_changes`) when they are back; until then the cache
-- stays closed. Rows instead of a flag: writers do not wait for each other.
CREATE TABLE keyshop.missed_changes (
    id BIGSERIAL NOT NULL,
    table_name TEXT NOT NULL,
    happened_at TIMESTAMP(3) NOT NULL,
    CONSTRAINT missed_changes_pkey PRIMARY KEY (id)
);

CREATE FUNCTION keyshop.record_missed_change(table_name TEXT) RETURNS VOID
LANGUAGE sql VOLATILE SET search_path = pg_catalog AS $$
    INSERT INTO keyshop.missed_changes (table_name, happened_at)
    VALUES (table_name, timezone('UTC', now()))
$$;

-- Instead of foreign keys to the shop's tables, which hold columns and primary keys: the same locks and
-- the same errors. A row of keyshop refers to a row that exists and that cannot be deleted before this
-- transaction ends.

CREATE FUNCTION keyshop.require_user() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM FROM public.users WHERE id = NEW.user_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no user % for keyshop.%.', NEW.user_id, TG_TABLE_NAME
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION keyshop.require_game() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM FROM public.games WHERE id = NEW.game_id FOR KEY SHARE;
    IF NOT FOUND AND NEW.game_id IS NOT NULL THEN
        RAISE EXCEPTION 'There is no game % for keyshop.%.', NEW.game_id, TG_TABLE_NAME
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION keyshop.require_session() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM FROM public.sessions WHERE "sessionId" = NEW.session_id FOR KEY SHARE;
    IF NOT FOUND THEN
        -- Without the id, which is a guest's key to the basket.
        RAISE EXCEPTION 'The session for keyshop.% does not exist.', TG_TABLE_NAME
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;

-- Rows of keyshop go with the row that they refer to, and follow its changed id.

CREATE FUNCTION keyshop.follow_deleted_users() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    gone TEXT[];
BEGIN
    BEGIN
        gone := ARRAY(SELECT id FROM old_rows);
    EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
        PERFORM keyshop.record_missed_change('public.users');
        RETURN NULL;
    END;
    IF gone <> '{}' THEN
        DELETE FROM keyshop.token_families WHERE user_id = ANY(gone);
        DELETE FROM keyshop.email_tokens WHERE user_id = ANY(gone);
        DELETE FROM keyshop.opening_balances WHERE user_id = ANY(gone);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION keyshop.follow_deleted_games() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    gone TEXT[];
BEGIN
    BEGIN
        gone := ARRAY(SELECT id FROM old_rows);
    EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
        PERFORM keyshop.record_missed_change('public.games');
        RETURN NULL;
    END;
    IF gone <> '{}' THEN
        DELETE FROM keyshop.supplier_games WHERE game_id = ANY(gone);
        DELETE FROM keyshop.game_facets WHERE game_id = ANY(gone);
        DELETE FROM keyshop.game_description_terms WHERE game_id = ANY(gone);
        DELETE FROM keyshop.guest_cart_items WHERE game_id = ANY(gone);
        DELETE FROM keyshop.guest_wishlist_items WHERE game_id = ANY(gone);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION keyshop.follow_deleted_sessions() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    gone TEXT[];
BEGIN
    BEGIN
        gone := ARRAY(SELECT "sessionId" FROM old_rows);
    EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
        PERFORM keyshop.record_missed_change('public.sessions');
        RETURN NULL;
    END;
    IF gone <> '{}' THEN
        DELETE FROM keyshop.guest_cart_items WHERE session_id = ANY(gone);
        DELETE FROM keyshop.guest_wishlist_items WHERE session_id = ANY(gone);
    END IF;
    RETURN NULL;
END
$$;

-- Each row on its own: a statement's transition tables do not say which old row became which new one.
-- Neither UPDATE OF nor WHEN, which would hold the column.

CREATE FUNCTION keyshop.follow_changed_user() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    BEGIN
        IF OLD.id = NEW.id THEN
            RETURN NULL;
        END IF;
    EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
        PERFORM keyshop.record_missed_change('public.users');
        RETURN NULL;
    END;
    UPDATE keyshop.token_families SET user_id = NEW.id WHERE user_id = OLD.id;
    UPDATE keyshop.email_tokens SET user_id = NEW.id WHERE user_id = OLD.id;
    UPDATE keyshop.opening_balances SET user_id = NEW.id WHERE user_id = OLD.id;
    RETURN NULL;
END
$$;

CREATE FUNCTION keyshop.follow_changed_game() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    BEGIN
        IF OLD.id = NEW.id THEN
            RETURN NULL;
        END IF;
    EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
        PERFORM keyshop.record_missed_change('public.games');
        RETURN NULL;
    END;
    UPDATE keyshop.supplier_games SET game_id = NEW.id WHERE game_id = OLD.id;
    UPDATE keyshop.game_facets SET game_id = NEW.id WHERE game_id = OLD.id;
    UPDATE keyshop.game_description_terms SET game_id = NEW.id WHERE game_id = OLD.id;
    UPDATE keyshop.guest_cart_items SET game_id = NEW.id WHERE game_id = OLD.id;
    UPDATE keyshop.guest_wishlist_items SET game_id = NEW.id WHERE game_id = OLD.id;
    RETURN NULL;
END
$$;

CREATE FUNCTION keyshop.follow_changed_session() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    BEGIN
        IF OLD."sessionId" = NEW."sessionId" THEN
            RETURN NULL;
        END IF;
    EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
        PERFORM keyshop.record_missed_change('public.sessions');
        RETURN NULL;
    END;
    UPDATE keyshop.guest_cart_items SET session_id = NEW."sessionId"
        WHERE session_id = OLD."sessionId";
    UPDATE keyshop.guest_wishlist_items SET session_id = NEW."sessionId"
        WHERE session_id = OLD."sessionId";
    RETURN NULL;
END
$$;

CREATE FUNCTION keyshop.follow_truncated() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF TG_TABLE_NAME = 'users' THEN
        DELETE FROM keyshop.token_families;
        DELETE FROM keyshop.email_tokens;
        DELETE FROM keyshop.opening_balances;
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'games' THEN
        DELETE FROM keyshop.supplier_games;
        DELETE FROM keyshop.game_facets;
        DELETE FROM keyshop.game_description_terms;
    END IF;
    DELETE FROM keyshop.guest_cart_items;
    DELETE FROM keyshop.guest_wishlist_items;
    RETURN NULL;
END
$$;

ALTER TABLE keyshop.supplier_games DROP CONSTRAINT supplier_games_game_id_fkey;
ALTER TABLE keyshop.game_facets DROP CONSTRAINT game_facets_game_id_fkey;
ALTER TABLE keyshop.game_description_terms DROP CONSTRAINT game_description_terms_game_id_fkey;
ALTER TABLE keyshop.opening_balances DROP CONSTRAINT opening_balances_user_id_fkey;
ALTER TABLE keyshop.token_families DROP CONSTRAINT token_families_user_id_fkey;
ALTER TABLE keyshop.email_tokens DROP CONSTRAINT email_tokens_user_id_fkey;
ALTER TABLE keyshop.guest_cart_items DROP CONSTRAINT guest_cart_items_session_id_fkey,
    DROP CONSTRAINT guest_cart_items_game_id_fkey;
ALTER TABLE keyshop.guest_wishlist_items DROP CONSTRAINT guest_wishlist_items_session_id_fkey,
    DROP CONSTRAINT guest_wishlist_items_game_id_fkey;

-- Rows of game_facets and game_description_terms are written by triggers of games alone.
CREATE TRIGGER keyshop_requires_game AFTER INSERT OR UPDATE OF game_id ON keyshop.supplier_games
    FOR EACH ROW EXECUTE FUNCTION keyshop.require_game();
CREATE TRIGGER keyshop_requires_game AFTER INSERT OR UPDATE OF game_id ON keyshop.guest_cart_items
    FOR EACH ROW EXECUTE FUNCTION keyshop.require_game();
CREATE TRIGGER keyshop_requires_game AFTER INSERT OR UPDATE OF game_id ON keyshop.guest_wishlist_items
    FOR EACH ROW EXECUTE FUNCTION keyshop.require_game();
CREATE TRIGGER keyshop_requires_session AFTER INSERT OR UPDATE OF session_id ON keyshop.guest_cart_items
    FOR EACH ROW EXECUTE FUNCTION keyshop.require_session();
CREATE TRIGGER keyshop_requires_session
    AFTER INSERT OR UPDATE OF session_id ON keyshop.guest_wishlist_items
    FOR EACH ROW EXECUTE FUNCTION keyshop.require_session();
CREATE TRIGGER keyshop_requires_user AFTER INSERT OR UPDATE OF user_id ON keyshop.token_families
    FOR EACH ROW EXECUTE FUNCTION keyshop.require_user();
CREATE TRIGGER keyshop_requires_user AFTER INSERT OR UPDATE OF user_id ON keyshop.email_tokens
    FOR EACH ROW EXECUTE FUNCTION keyshop.require_user();
CREATE TRIGGER keyshop_requires_user AFTER INSERT OR UPDATE OF user_id ON keyshop.opening_balances
    FOR EACH ROW EXECUTE FUNCTION keyshop.require_user();

-- Row triggers come before those of the statement, so changed ids are followed before facets are read.
DO $$
DECLARE
    names TEXT[];
BEGIN
    FOREACH names SLICE 1 IN ARRAY
        ARRAY[['users', 'user'], ['games', 'game'], ['sessions', 'session']]
    LOOP
        EXECUTE format('CREATE TRIGGER keyshop_followed_deleted AFTER DELETE ON public.%I'
            ' REFERENCING OLD TABLE AS old_rows'
            ' FOR EACH STATEMENT EXECUTE FUNCTION keyshop.%I()',
            names[1], 'follow_deleted_' || names[1]);
        EXECUTE format('CREATE TRIGGER keyshop_followed_changed AFTER UPDATE ON public.%I'
            ' FOR EACH ROW EXECUTE FUNCTION keyshop.%I()',
            names[1], 'follow_changed_' || names[2]);
        EXECUTE format('CREATE TRIGGER keyshop_followed_truncated AFTER TRUNCATE ON public.%I'
            ' FOR EACH STATEMENT EXECUTE FUNCTION keyshop.follow_truncated()', names[1]);
        EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER keyshop_followed_deleted,'
            ' ENABLE ALWAYS TRIGGER keyshop_followed_changed,'
            ' ENABLE ALWAYS TRIGGER keyshop_followed_truncated', names[1]);
    END LOOP;
END
$$;

-- The triggers of search: another application's write goes on although they cannot follow it.

CREATE OR REPLACE FUNCTION keyshop.insert_game_facets() RETURNS TRIGGER
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
EXCEPTION
    WHEN syntax_error_or_access_rule_violation OR data_exception OR integrity_constraint_violation THEN
        PERFORM keyshop.record_missed_change('public.games');
        RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION keyshop.update_game_facets() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET enable_nestloop = off AS $$
DECLARE
    changed TEXT[];
    described TEXT[];
BEGIN
    changed := ARRAY(
        SELECT n.id FROM new_games AS n LEFT JOIN old_games AS o ON o.id = n.id
        WHERE (n.title, n.price, n."userRating", n."releaseDate", n."createdAt", n."inStock",
                n."isPreorder", n."isBestSeller", n."isNew", n.multiplayer, n."activationService",
                n.region, n.publisher)
            IS DISTINCT FROM (o.title, o.price, o."userRating", o."releaseDate", o."createdAt",
                o."inStock", o."isPreorder", o."isBestSeller", o."isNew", o.multiplayer,
                o."activationService", o.region, o.publisher)
    );
    described := ARRAY(
        SELECT n.id FROM new_games AS n LEFT JOIN old_games AS o ON o.id = n.id
        WHERE n.description IS DISTINCT FROM o.description
    );
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
EXCEPTION
    WHEN syntax_error_or_access_rule_violation OR data_exception OR integrity_constraint_violation THEN
        PERFORM keyshop.record_missed_change('public.games');
        RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION keyshop.refresh_changed_links() RETURNS TRIGGER
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
EXCEPTION
    WHEN syntax_error_or_access_rule_violation OR data_exception OR integrity_constraint_violation THEN
        PERFORM keyshop.record_missed_change('public.' || TG_TABLE_NAME);
        RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION keyshop.refresh_all_links() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM keyshop.refresh_links(ARRAY(SELECT game_id FROM keyshop.game_facets));
    RETURN NULL;
EXCEPTION
    WHEN syntax_error_or_access_rule_violation OR data_exception OR integrity_constraint_violation THEN
        PERFORM keyshop.record_missed_change('public.' || TG_TABLE_NAME);
        RETURN NULL;
END
$$;

-- Where the account's columns cannot be compared, all sessions of the changed accounts end: nothing shows
-- that role and password are as they were. Without ids of accounts, all sessions end.
CREATE OR REPLACE FUNCTION keyshop.revoke_token_families() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET enable_nestloop = off AS $$
DECLARE
    changed TEXT[];
    revoked TEXT[];
BEGIN
    BEGIN
        changed := ARRAY(
            SELECT n.id FROM new_rows AS n LEFT JOIN old_rows AS o ON o.id = n.id
            WHERE (o.role, o."passwordHash") IS DISTINCT FROM (n.role, n."passwordHash")
        );
        -- The most frequent case.
        IF cardinality(changed) = 0 THEN
            RETURN NULL;
        END IF;
        -- Locked in the order of ids, as in every statement that revokes several, to avoid deadlocks.
        revoked := ARRAY(
            SELECT f.id FROM keyshop.token_families AS f JOIN new_rows AS n ON n.id = f.user_id
            WHERE f.user_id = ANY(changed) AND f.revoked_at IS NULL
                AND f.account_state <> keyshop.account_state(n.role, n."passwordHash")
            ORDER BY f.id FOR UPDATE OF f
        );
    EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
        BEGIN
            changed := ARRAY(SELECT id FROM new_rows);
        EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
            changed := ARRAY(SELECT user_id FROM keyshop.token_families WHERE revoked_at IS NULL);
        END;
        revoked := ARRAY(
            SELECT id FROM keyshop.token_families
            WHERE user_id = ANY(changed) AND revoked_at IS NULL
            ORDER BY id FOR UPDATE
        );
    END;
    UPDATE keyshop.token_families
    SET revoked_at = now() AT TIME ZONE 'UTC', revoked_reason = 'role or password changed'
    WHERE id = ANY(revoked);
    RETURN NULL;
END
$$;

-- Follows all missed changes at once, and invalidates all answers, which may have been read meanwhile.
-- Raises what PostgreSQL says while columns are missing.
CREATE FUNCTION keyshop.follow_missed_changes() RETURNS VOID
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog SET lock_timeout = '400ms' AS $$
DECLARE
    followed BIGINT[];
BEGIN
    -- No change of these tables is made between the reading of the rows and the end.
    LOCK TABLE public.users, public.sessions, public.games, public.game_genres, public.game_platforms,
        public.game_tags IN SHARE MODE;
    followed := ARRAY(SELECT id FROM keyshop.missed_changes);

    DELETE FROM keyshop.token_families WHERE user_id NOT IN (SELECT id FROM public.users);
    DELETE FROM keyshop.email_tokens WHERE user_id NOT IN (SELECT id FROM public.users);
    DELETE FROM keyshop.opening_balances WHERE user_id NOT IN (SELECT id FROM public.users);
    DELETE FROM keyshop.supplier_games WHERE game_id NOT IN (SELECT id FROM public.games);
    DELETE FROM keyshop.guest_cart_items
    WHERE game_id NOT IN (SELECT id FROM public.games)
        OR session_id NOT IN (SELECT "sessionId" FROM public.sessions);
    DELETE FROM keyshop.guest_wishlist_items
    WHERE game_id NOT IN (SELECT id FROM public.games)
        OR session_id NOT IN (SELECT "sessionId" FROM public.sessions);

    DELETE FROM keyshop.game_facets;
    DELETE FROM keyshop.game_description_terms;
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

    DELETE FROM keyshop.missed_changes WHERE id = ANY(followed);
    INSERT INTO keyshop.cache_outbox (keys, groups)
    VALUES ('{}', '{games,home,catalog,prices,titles,profiles,transactions,access}');
END
$$;

-- The same order and as few rows as with WHERE "inStock", whose condition holds the column's type: the
-- games in stock stand together, in this order.
CREATE INDEX IF NOT EXISTS keyshop_games_in_stock_popular_idx
    ON public.games ("inStock", "userRating" DESC NULLS LAST, "releaseDate" DESC, id)
    INCLUDE ("isPreorder");
DROP INDEX IF EXISTS public.keyshop_games_popular_idx;
