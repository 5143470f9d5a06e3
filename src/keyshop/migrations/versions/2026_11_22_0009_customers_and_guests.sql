-- Customers beyond what Prisma's tables say of them, and visitors who are not signed in.

-- All that is touched of the shop's own, before anything is done, one by one in the order in which the
-- shop writes them: a lock that is held while the next is waited for may be what a transaction of the
-- shop waits for that has the next.
LOCK TABLE public.users, public.sessions, public.games IN SHARE ROW EXCLUSIVE MODE;

-- Sign-ins that last: one row for each device, from sign-in to sign-out. Refresh tokens of one
-- family follow each other; an access token is good as long as its family is.
CREATE TABLE keyshop.token_families (
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- What the account was like (role, password) when the family began, as keyshop.account_state
    -- says it. Another state, whoever made it, ends the family.
    account_state TEXT NOT NULL,
    created_at TIMESTAMP(3) NOT NULL,
    -- When its last refresh token expires.
    expires_at TIMESTAMP(3) NOT NULL,
    revoked_at TIMESTAMP(3),
    revoked_reason TEXT,
    CONSTRAINT token_families_pkey PRIMARY KEY (id),
    CONSTRAINT token_families_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES public.users (id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX token_families_user_id_idx ON keyshop.token_families (user_id);
-- Every request may ask for those that live; those that have ended stay for as long as a token does.
CREATE INDEX token_families_live_idx ON keyshop.token_families (user_id) WHERE revoked_at IS NULL;
CREATE INDEX token_families_expires_at_idx ON keyshop.token_families (expires_at);

-- The present token of each family and the one before it.
CREATE TABLE keyshop.refresh_tokens (
    -- The token's jti; a token of the family whose jti is not here is an older one.
    id TEXT NOT NULL,
    family_id TEXT NOT NULL,
    issued_at TIMESTAMP(3) NOT NULL,
    expires_at TIMESTAMP(3) NOT NULL,
    -- When it was exchanged for the next one; shown again after a few seconds, it was stolen.
    replaced_at TIMESTAMP(3),
    -- The one it was given for.
    parent_id TEXT,
    CONSTRAINT refresh_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT refresh_tokens_family_id_fkey FOREIGN KEY (family_id)
        REFERENCES keyshop.token_families (id) ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_family_id_idx ON keyshop.refresh_tokens (family_id);
CREATE INDEX refresh_tokens_expires_at_idx ON keyshop.refresh_tokens (expires_at);

CREATE FUNCTION keyshop.account_state(role "Role", password_hash TEXT) RETURNS TEXT
LANGUAGE sql STABLE AS $$
    SELECT left(encode(sha256(convert_to(concat_ws('.', role, password_hash), 'UTF8')), 'hex'), 32)
$$;

-- A role or password that changes, whoever changes it, ends the account's sign-ins for good: the same
-- role given back later must not wake tokens of before. Only a family that was told the new state
-- beforehand goes on, as when the same password is merely hashed anew.
--
-- No nested loops: the rows of a statement have no index, and a plan for one row is kept for many.
CREATE FUNCTION keyshop.end_sign_ins() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET enable_nestloop = off AS $$
DECLARE
    changed TEXT[] := ARRAY(
        SELECT n.id FROM new_rows AS n LEFT JOIN old_rows AS o ON o.id = n.id
        WHERE (o.role, o."passwordHash") IS DISTINCT FROM (n.role, n."passwordHash")
    );
    ended TEXT[];
BEGIN
    -- What nearly every statement comes down to.
    IF cardinality(changed) = 0 THEN
        RETURN NULL;
    END IF;
    -- In the order of ids, as whoever else revokes several.
    ended := ARRAY(
        SELECT f.id FROM keyshop.token_families AS f JOIN new_rows AS n ON n.id = f.user_id
        WHERE f.user_id = ANY(changed) AND f.revoked_at IS NULL
            AND f.account_state <> keyshop.account_state(n.role, n."passwordHash")
        ORDER BY f.id FOR UPDATE OF f
    );
    UPDATE keyshop.token_families
    SET revoked_at = now() AT TIME ZONE 'UTC', revoked_reason = 'role or password changed'
    WHERE id = ANY(ended);
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_sign_ins_ended AFTER UPDATE ON public.users
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.end_sign_ins();
ALTER TABLE public.users ENABLE ALWAYS TRIGGER keyshop_sign_ins_ended;

-- How often something was done by somebody: a theoretical arrival time for each (GCRA).
CREATE TABLE keyshop.rate_limits (
    -- The limit's name and a digest of who it is counted for: addresses are not stored in clear.
    key TEXT NOT NULL,
    arrives_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT rate_limits_pkey PRIMARY KEY (key)
);
CREATE INDEX rate_limits_arrives_at_idx ON keyshop.rate_limits (arrives_at);

-- Wrong passwords in a row, by digest of the e-mail address, whether or not it has an account.
CREATE TABLE keyshop.sign_in_failures (
    address TEXT NOT NULL,
    -- A digest of the client that signed in before, or of the device that changes the password, that
    -- gave them; empty for all others together.
    client TEXT NOT NULL DEFAULT '',
    failures INTEGER NOT NULL,
    last_failed_at TIMESTAMP(3) NOT NULL,
    locked_until TIMESTAMP(3),
    -- The last one is counted in advance, and is being looked at.
    is_reserved BOOLEAN NOT NULL DEFAULT false,
    -- The owner of the account was told that it is locked.
    is_notified BOOLEAN NOT NULL DEFAULT false,
    CONSTRAINT sign_in_failures_pkey PRIMARY KEY (address, client)
);
CREATE INDEX sign_in_failures_last_failed_at_idx ON keyshop.sign_in_failures (last_failed_at);

-- What was mailed to prove that somebody reads an address: neither codes nor links are stored, they
-- are computed from the id and a secret of the shop's.
CREATE TABLE keyshop.email_tokens (
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    -- Where it was sent; worth nothing once the account has another address.
    email TEXT NOT NULL,
    created_at TIMESTAMP(3) NOT NULL,
    expires_at TIMESTAMP(3) NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    used_at TIMESTAMP(3),
    CONSTRAINT email_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT email_tokens_purpose_check CHECK (purpose IN ('VERIFY_EMAIL', 'RESET_PASSWORD')),
    CONSTRAINT email_tokens_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES public.users (id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX email_tokens_user_id_idx ON keyshop.email_tokens (user_id, purpose);
CREATE INDEX email_tokens_expires_at_idx ON keyshop.email_tokens (expires_at);

-- Mails that a mail server has taken: a job that runs again finds its own here.
CREATE TABLE keyshop.sent_mails (
    id TEXT NOT NULL,
    sent_at TIMESTAMP(3) NOT NULL,
    -- How often a mail server had the mail and did not say whether it took it; 0: it said so.
    unanswered INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT sent_mails_pkey PRIMARY KEY (id)
);
CREATE INDEX sent_mails_sent_at_idx ON keyshop.sent_mails (sent_at);

-- Guests' lines: the cart and wishlist of Prisma's belong to users, and guests are none.
CREATE TABLE keyshop.guest_cart_items (
    session_id TEXT NOT NULL,
    game_id TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    added_at TIMESTAMP(3) NOT NULL,
    CONSTRAINT guest_cart_items_pkey PRIMARY KEY (session_id, game_id),
    CONSTRAINT guest_cart_items_quantity_check CHECK (quantity > 0),
    CONSTRAINT guest_cart_items_session_id_fkey FOREIGN KEY (session_id)
        REFERENCES public.sessions ("sessionId") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT guest_cart_items_game_id_fkey FOREIGN KEY (game_id)
        REFERENCES public.games (id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX guest_cart_items_game_id_idx ON keyshop.guest_cart_items (game_id);

CREATE TABLE keyshop.guest_wishlist_items (
    session_id TEXT NOT NULL,
    game_id TEXT NOT NULL,
    added_at TIMESTAMP(3) NOT NULL,
    CONSTRAINT guest_wishlist_items_pkey PRIMARY KEY (session_id, game_id),
    CONSTRAINT guest_wishlist_items_session_id_fkey FOREIGN KEY (session_id)
        REFERENCES public.sessions ("sessionId") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT guest_wishlist_items_game_id_fkey FOREIGN KEY (game_id)
        REFERENCES public.games (id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX guest_wishlist_items_game_id_idx ON keyshop.guest_wishlist_items (game_id);

-- Who did what to which thing. Rows are only added; they name things by id and hold no e-mail
-- address and no name, so that erasing a customer leaves them as they are.
CREATE TABLE keyshop.journal (
    id BIGSERIAL NOT NULL,
    happened_at TIMESTAMP(3) NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    details JSONB NOT NULL DEFAULT '{}',
    CONSTRAINT journal_pkey PRIMARY KEY (id)
);
CREATE INDEX journal_subject_idx ON keyshop.journal (subject, subject_id, id);

CREATE FUNCTION keyshop.refuse_journal_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'Rows of keyshop.journal are only added.' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER refuse_journal_change BEFORE UPDATE OR DELETE OR TRUNCATE ON keyshop.journal
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.refuse_journal_change();

-- What a changed row takes: derived from keyshop/cache_keys.py, as in the revision of the cache.

CREATE FUNCTION keyshop.cache_sessions_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    guest_cart_keys text[];
    guest_wishlist_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."sessionId"),
        array_agg(n."sessionId")
    INTO concerned, guest_cart_keys, guest_wishlist_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    guest_cart_keys := keyshop.cache_digest_keys('session:', coalesce(guest_cart_keys, '{}'), ':cart');
    guest_wishlist_keys := keyshop.cache_digest_keys('session:', coalesce(guest_wishlist_keys, '{}'), ':wishlist');
    taken_groups := array_remove(ARRAY[
        CASE WHEN guest_cart_keys IS NULL OR guest_wishlist_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(guest_cart_keys || guest_wishlist_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON public.sessions
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_sessions_inserted();
ALTER TABLE public.sessions ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_sessions_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    guest_cart_keys text[];
    guest_wishlist_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n."sessionId") || array_agg(o."sessionId") FILTER (WHERE o."sessionId" IS DISTINCT FROM n."sessionId"),
        array_agg(n."sessionId") || array_agg(o."sessionId") FILTER (WHERE o."sessionId" IS DISTINCT FROM n."sessionId")
    INTO concerned, guest_cart_keys, guest_wishlist_keys
    FROM old_rows AS o FULL JOIN new_rows AS n ON o.id = n.id
    WHERE (o."sessionId", o."expiresAt") IS DISTINCT FROM
    (n."sessionId", n."expiresAt");
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    guest_cart_keys := keyshop.cache_digest_keys('session:', coalesce(guest_cart_keys, '{}'), ':cart');
    guest_wishlist_keys := keyshop.cache_digest_keys('session:', coalesce(guest_wishlist_keys, '{}'), ':wishlist');
    taken_groups := array_remove(ARRAY[
        CASE WHEN guest_cart_keys IS NULL OR guest_wishlist_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(guest_cart_keys || guest_wishlist_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON public.sessions
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_sessions_updated();
ALTER TABLE public.sessions ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_sessions_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    guest_cart_keys text[];
    guest_wishlist_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o."sessionId"),
        array_agg(o."sessionId")
    INTO concerned, guest_cart_keys, guest_wishlist_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    guest_cart_keys := keyshop.cache_digest_keys('session:', coalesce(guest_cart_keys, '{}'), ':cart');
    guest_wishlist_keys := keyshop.cache_digest_keys('session:', coalesce(guest_wishlist_keys, '{}'), ':wishlist');
    taken_groups := array_remove(ARRAY[
        CASE WHEN guest_cart_keys IS NULL OR guest_wishlist_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(guest_cart_keys || guest_wishlist_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON public.sessions
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_sessions_deleted();
ALTER TABLE public.sessions ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_sessions_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{prices}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON public.sessions
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_sessions_emptied();
ALTER TABLE public.sessions ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_guest_cart_items_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    guest_cart_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n.session_id)
    INTO concerned, guest_cart_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    guest_cart_keys := keyshop.cache_digest_keys('session:', coalesce(guest_cart_keys, '{}'), ':cart');
    taken_groups := array_remove(ARRAY[
        CASE WHEN guest_cart_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(guest_cart_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON keyshop.guest_cart_items
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_guest_cart_items_inserted();
ALTER TABLE keyshop.guest_cart_items ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_guest_cart_items_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    guest_cart_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n.session_id) || array_agg(o.session_id) FILTER (WHERE o.session_id IS DISTINCT FROM n.session_id)
    INTO concerned, guest_cart_keys
    FROM old_rows AS o FULL JOIN new_rows AS n ON o.session_id = n.session_id AND o.game_id = n.game_id
    WHERE (o.session_id, o.game_id, o.quantity, o.added_at) IS DISTINCT FROM
    (n.session_id, n.game_id, n.quantity, n.added_at);
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    guest_cart_keys := keyshop.cache_digest_keys('session:', coalesce(guest_cart_keys, '{}'), ':cart');
    taken_groups := array_remove(ARRAY[
        CASE WHEN guest_cart_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(guest_cart_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON keyshop.guest_cart_items
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_guest_cart_items_updated();
ALTER TABLE keyshop.guest_cart_items ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_guest_cart_items_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    guest_cart_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o.session_id)
    INTO concerned, guest_cart_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    guest_cart_keys := keyshop.cache_digest_keys('session:', coalesce(guest_cart_keys, '{}'), ':cart');
    taken_groups := array_remove(ARRAY[
        CASE WHEN guest_cart_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(guest_cart_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON keyshop.guest_cart_items
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_guest_cart_items_deleted();
ALTER TABLE keyshop.guest_cart_items ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_guest_cart_items_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{prices}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON keyshop.guest_cart_items
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_guest_cart_items_emptied();
ALTER TABLE keyshop.guest_cart_items ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_guest_wishlist_items_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    guest_wishlist_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n.session_id)
    INTO concerned, guest_wishlist_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    guest_wishlist_keys := keyshop.cache_digest_keys('session:', coalesce(guest_wishlist_keys, '{}'), ':wishlist');
    taken_groups := array_remove(ARRAY[
        CASE WHEN guest_wishlist_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(guest_wishlist_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON keyshop.guest_wishlist_items
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_guest_wishlist_items_inserted();
ALTER TABLE keyshop.guest_wishlist_items ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_guest_wishlist_items_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    guest_wishlist_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n.session_id) || array_agg(o.session_id) FILTER (WHERE o.session_id IS DISTINCT FROM n.session_id)
    INTO concerned, guest_wishlist_keys
    FROM old_rows AS o FULL JOIN new_rows AS n ON o.session_id = n.session_id AND o.game_id = n.game_id
    WHERE (o.session_id, o.game_id, o.added_at) IS DISTINCT FROM
    (n.session_id, n.game_id, n.added_at);
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    guest_wishlist_keys := keyshop.cache_digest_keys('session:', coalesce(guest_wishlist_keys, '{}'), ':wishlist');
    taken_groups := array_remove(ARRAY[
        CASE WHEN guest_wishlist_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(guest_wishlist_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON keyshop.guest_wishlist_items
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_guest_wishlist_items_updated();
ALTER TABLE keyshop.guest_wishlist_items ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_guest_wishlist_items_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    guest_wishlist_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o.session_id)
    INTO concerned, guest_wishlist_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    guest_wishlist_keys := keyshop.cache_digest_keys('session:', coalesce(guest_wishlist_keys, '{}'), ':wishlist');
    taken_groups := array_remove(ARRAY[
        CASE WHEN guest_wishlist_keys IS NULL THEN 'prices' END
    ], NULL);
    taken_keys := coalesce(guest_wishlist_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON keyshop.guest_wishlist_items
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_guest_wishlist_items_deleted();
ALTER TABLE keyshop.guest_wishlist_items ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_guest_wishlist_items_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{prices}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON keyshop.guest_wishlist_items
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_guest_wishlist_items_emptied();
ALTER TABLE keyshop.guest_wishlist_items ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

CREATE FUNCTION keyshop.cache_token_families_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    access_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n.user_id)
    INTO concerned, access_keys
    FROM new_rows AS n;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    access_keys := keyshop.cache_keys('user:', coalesce(access_keys, '{}'), ':access');
    taken_groups := array_remove(ARRAY[
        CASE WHEN access_keys IS NULL THEN 'access' END
    ], NULL);
    taken_keys := coalesce(access_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_inserted AFTER INSERT ON keyshop.token_families
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_token_families_inserted();
ALTER TABLE keyshop.token_families ENABLE ALWAYS TRIGGER keyshop_cache_inserted;

CREATE FUNCTION keyshop.cache_token_families_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    access_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(n.user_id) || array_agg(o.user_id) FILTER (WHERE o.user_id IS DISTINCT FROM n.user_id)
    INTO concerned, access_keys
    FROM old_rows AS o FULL JOIN new_rows AS n ON o.id = n.id
    WHERE (o.id, o.user_id, o.account_state, o.revoked_at) IS DISTINCT FROM
    (n.id, n.user_id, n.account_state, n.revoked_at);
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    access_keys := keyshop.cache_keys('user:', coalesce(access_keys, '{}'), ':access');
    taken_groups := array_remove(ARRAY[
        CASE WHEN access_keys IS NULL THEN 'access' END
    ], NULL);
    taken_keys := coalesce(access_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_updated AFTER UPDATE ON keyshop.token_families
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_token_families_updated();
ALTER TABLE keyshop.token_families ENABLE ALWAYS TRIGGER keyshop_cache_updated;

CREATE FUNCTION keyshop.cache_token_families_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    concerned bigint;
    access_keys text[];
    taken_keys text[];
    taken_groups text[];
BEGIN
    SELECT
        count(*),
        array_agg(o.user_id)
    INTO concerned, access_keys
    FROM old_rows AS o;
    IF concerned = 0 THEN
        RETURN NULL;
    END IF;
    access_keys := keyshop.cache_keys('user:', coalesce(access_keys, '{}'), ':access');
    taken_groups := array_remove(ARRAY[
        CASE WHEN access_keys IS NULL THEN 'access' END
    ], NULL);
    taken_keys := coalesce(access_keys, '{}');
    IF taken_keys <> '{}' OR taken_groups <> '{}' THEN
        INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_deleted AFTER DELETE ON keyshop.token_families
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_token_families_deleted();
ALTER TABLE keyshop.token_families ENABLE ALWAYS TRIGGER keyshop_cache_deleted;

CREATE FUNCTION keyshop.cache_token_families_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{}', '{access}');
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_cache_emptied AFTER TRUNCATE ON keyshop.token_families
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.cache_token_families_emptied();
ALTER TABLE keyshop.token_families ENABLE ALWAYS TRIGGER keyshop_cache_emptied;

