-- Orders with one unit for each key, the wallet's own record of the ledger, and the vault of keys.

-- All locks that are needed below, at once and in the order in which the shop takes them.
LOCK TABLE public.users, public.games, public.orders, public.transactions, public.game_keys
    IN SHARE ROW EXCLUSIVE MODE;

-- Helpers

-- DECIMAL(10,2) stores NaN, which is greater than every number.
CREATE FUNCTION keyshop.finite(amount NUMERIC) RETURNS NUMERIC
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT CASE WHEN abs(amount) < 'Infinity' THEN amount ELSE 0 END
$$;

-- Whether keyshop's wallet writes balances and ledger now; '' is what an earlier SET LOCAL leaves.
CREATE FUNCTION keyshop.is_wallet() RETURNS BOOLEAN
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT coalesce(current_setting('keyshop.wallet', true), '') = 'on'
$$;

-- Whether keyshop's vault writes game_keys now.
CREATE FUNCTION keyshop.is_vault() RETURNS BOOLEAN
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT coalesce(current_setting('keyshop.vault', true), '') = 'on'
$$;

-- Rows are only added. Only the trigger that follows an order's changed id renames it in them.
CREATE FUNCTION keyshop.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND coalesce(current_setting('keyshop.following', true), '') = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'Rows of keyshop.% are only added.', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;

-- Orders

-- The orders that keyshop placed; the invariants concern these alone.
CREATE TABLE keyshop.placed_orders (
    order_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    family_id TEXT,
    promo_id TEXT,
    placed_at TIMESTAMP(3) NOT NULL,
    deleted_at TIMESTAMP(3), -- when another program deleted the order
    CONSTRAINT placed_orders_pkey PRIMARY KEY (order_id)
);
CREATE INDEX placed_orders_user_id_idx ON keyshop.placed_orders (user_id, placed_at);

-- One row for each key that a customer bought. A refunded unit keeps its key, which is revoked.
CREATE TABLE keyshop.order_units (
    id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    game_id TEXT NOT NULL,
    state TEXT NOT NULL,
    price NUMERIC(10,2) NOT NULL,
    charged NUMERIC(10,2) NOT NULL, -- after the discount
    next_at TIMESTAMP(3), -- when to work on it; NULL: never
    version INTEGER NOT NULL DEFAULT 0, -- every UPDATE names it and adds one
    vault_key_id TEXT,
    created_at TIMESTAMP(3) NOT NULL,
    finished_at TIMESTAMP(3),
    CONSTRAINT order_units_pkey PRIMARY KEY (id),
    CONSTRAINT order_units_vault_key_id_key UNIQUE (vault_key_id),
    CONSTRAINT order_units_state_check
        CHECK (state IN ('OPEN', 'DELIVERED', 'REFUNDED', 'ORPHANED')),
    CONSTRAINT order_units_charged_check
        CHECK (charged >= 0 AND price >= charged AND price < 'Infinity'),
    CONSTRAINT order_units_key_check CHECK (state <> 'DELIVERED' OR vault_key_id IS NOT NULL),
    CONSTRAINT order_units_open_check
        CHECK (state <> 'OPEN' OR (vault_key_id IS NULL AND next_at IS NOT NULL))
);
CREATE INDEX order_units_order_id_idx ON keyshop.order_units (order_id);
CREATE INDEX order_units_user_id_open_idx ON keyshop.order_units (user_id) WHERE state = 'OPEN';
CREATE INDEX order_units_due_idx ON keyshop.order_units (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE keyshop.refunds (
    id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    unit_id TEXT NOT NULL,
    transaction_id TEXT, -- NULL exactly where the amount is 0; one row of the ledger may refund several
    amount NUMERIC(10,2) NOT NULL,
    reason TEXT NOT NULL,
    is_requested BOOLEAN NOT NULL, -- by a person: the order is then cancelled, otherwise failed
    by TEXT NOT NULL,
    created_at TIMESTAMP(3) NOT NULL,
    CONSTRAINT refunds_pkey PRIMARY KEY (id),
    CONSTRAINT refunds_unit_id_key UNIQUE (unit_id),
    CONSTRAINT refunds_unit_id_fkey FOREIGN KEY (unit_id) REFERENCES keyshop.order_units (id),
    CONSTRAINT refunds_amount_check CHECK (
        amount >= 0 AND amount < 'Infinity' AND (amount = 0) = (transaction_id IS NULL)
    )
);
CREATE INDEX refunds_order_id_idx ON keyshop.refunds (order_id);
CREATE INDEX refunds_transaction_id_idx ON keyshop.refunds (transaction_id);
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON keyshop.refunds
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.refuse_change();

CREATE TABLE keyshop.order_events (
    id BIGSERIAL NOT NULL,
    order_id TEXT NOT NULL,
    unit_id TEXT,
    happened_at TIMESTAMP(3) NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    details JSONB NOT NULL DEFAULT '{}',
    CONSTRAINT order_events_pkey PRIMARY KEY (id)
);
CREATE INDEX order_events_order_id_idx ON keyshop.order_events (order_id, id);
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON keyshop.order_events
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.refuse_change();

CREATE TABLE keyshop.idempotency (
    user_id TEXT NOT NULL,
    key_digest TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    order_id TEXT,
    is_implicit BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL, -- set again by clock_timestamp() when the order is placed
    CONSTRAINT idempotency_pkey PRIMARY KEY (user_id, key_digest)
);
CREATE INDEX idempotency_created_at_idx ON keyshop.idempotency (created_at);

CREATE TABLE keyshop.promo_uses (
    order_id TEXT NOT NULL,
    promo_id TEXT NOT NULL,
    used_at TIMESTAMP(3) NOT NULL,
    given_back_at TIMESTAMP(3),
    CONSTRAINT promo_uses_pkey PRIMARY KEY (order_id)
);
CREATE INDEX promo_uses_promo_id_idx ON keyshop.promo_uses (promo_id);

CREATE TABLE keyshop.buying_state (
    id SMALLINT NOT NULL DEFAULT 1,
    seq BIGINT NOT NULL DEFAULT 0, -- raised by each delivery of an own key
    is_paused_after_restore BOOLEAN NOT NULL DEFAULT false,
    CONSTRAINT buying_state_pkey PRIMARY KEY (id),
    CONSTRAINT buying_state_id_check CHECK (id = 1)
);
INSERT INTO keyshop.buying_state DEFAULT VALUES;

-- The wallet

-- The rows of public.transactions that keyshop's wallet wrote, by a trigger alone.
CREATE TABLE keyshop.wallet_rows (
    transaction_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    type TEXT NOT NULL,
    amount NUMERIC(10,2) NOT NULL,
    written_at TIMESTAMP(3) NOT NULL,
    CONSTRAINT wallet_rows_pkey PRIMARY KEY (transaction_id)
);
CREATE INDEX wallet_rows_user_id_idx ON keyshop.wallet_rows (user_id);

-- Changes of balances and of the ledger that another program made, written by triggers.
CREATE TABLE keyshop.foreign_balance_changes (
    id BIGSERIAL NOT NULL,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    transaction_id TEXT, -- the foreign row of the ledger
    -- of the balance, or of the ledger's sum of completed rows
    amount NUMERIC NOT NULL,
    details JSONB NOT NULL DEFAULT '{}',
    xid XID8 NOT NULL DEFAULT pg_current_xact_id(),
    db_role TEXT NOT NULL,
    application TEXT NOT NULL,
    happened_at TIMESTAMP(3) NOT NULL,
    is_closed BOOLEAN NOT NULL DEFAULT false, -- its user was deleted: it counts nothing
    adopted_at TIMESTAMP(3),
    adopted_by TEXT,
    adopted_reason TEXT,
    CONSTRAINT foreign_balance_changes_pkey PRIMARY KEY (id),
    CONSTRAINT foreign_balance_changes_kind_check
        CHECK (kind IN ('balance', 'row_added', 'row_changed', 'row_removed'))
);
CREATE INDEX foreign_balance_changes_user_id_idx
    ON keyshop.foreign_balance_changes (user_id, id);

-- The sum of the completed rows of the ledger at that time, which is only reported.
ALTER TABLE keyshop.opening_balances ADD COLUMN ledger_total NUMERIC(20,2);

CREATE TABLE keyshop.top_up_intents (
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    amount NUMERIC(10,2) NOT NULL,
    currency TEXT NOT NULL,
    method TEXT NOT NULL,
    state TEXT NOT NULL,
    provider TEXT NOT NULL,
    provider_id TEXT,
    transaction_id TEXT,
    held_reason TEXT,
    notification JSONB, -- the last one's body, removed when the customer is erased
    created_at TIMESTAMP(3) NOT NULL,
    updated_at TIMESTAMP(3) NOT NULL,
    expires_at TIMESTAMP(3) NOT NULL,
    CONSTRAINT top_up_intents_pkey PRIMARY KEY (id),
    CONSTRAINT top_up_intents_provider_id_key UNIQUE (provider_id),
    CONSTRAINT top_up_intents_amount_check CHECK (amount BETWEEN 0.01 AND 1000000),
    CONSTRAINT top_up_intents_currency_check CHECK (currency = 'EUR'),
    CONSTRAINT top_up_intents_state_check
        CHECK (state IN ('pending', 'completed', 'failed', 'expired', 'held')),
    CONSTRAINT top_up_intents_completed_check
        CHECK ((state = 'completed') = (transaction_id IS NOT NULL))
);
CREATE INDEX top_up_intents_user_id_idx ON keyshop.top_up_intents (user_id, created_at);
CREATE INDEX top_up_intents_pending_idx ON keyshop.top_up_intents (expires_at)
    WHERE state = 'pending';
CREATE TRIGGER keyshop_requires_user AFTER INSERT ON keyshop.top_up_intents
    FOR EACH ROW EXECUTE FUNCTION keyshop.require_user();

-- The vault

CREATE TABLE keyshop.key_versions (
    version INTEGER NOT NULL,
    "check" BYTEA NOT NULL, -- a known text, sealed with the key of this version
    created_at TIMESTAMP(3) NOT NULL,
    CONSTRAINT key_versions_pkey PRIMARY KEY (version),
    CONSTRAINT key_versions_version_check CHECK (version > 0)
);

CREATE TABLE keyshop.fingerprint_key (
    id SMALLINT NOT NULL DEFAULT 1,
    version INTEGER NOT NULL,
    ciphertext BYTEA NOT NULL,
    CONSTRAINT fingerprint_key_pkey PRIMARY KEY (id),
    CONSTRAINT fingerprint_key_id_check CHECK (id = 1),
    CONSTRAINT fingerprint_key_version_fkey
        FOREIGN KEY (version) REFERENCES keyshop.key_versions (version)
);

CREATE TABLE keyshop.vault_keys (
    id TEXT NOT NULL, -- as in game_keys
    game_id TEXT NOT NULL,
    sealed_game_id TEXT NOT NULL, -- game_id when it was sealed
    fingerprint BYTEA NOT NULL,
    duplicate_of TEXT,
    ciphertext BYTEA NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    order_id TEXT,
    unit_id TEXT,
    held_reason TEXT,
    created_at TIMESTAMP(3) NOT NULL,
    changed_at TIMESTAMP(3) NOT NULL,
    CONSTRAINT vault_keys_pkey PRIMARY KEY (id),
    CONSTRAINT vault_keys_unit_id_key UNIQUE (unit_id),
    CONSTRAINT vault_keys_version_fkey
        FOREIGN KEY (version) REFERENCES keyshop.key_versions (version),
    CONSTRAINT vault_keys_source_check CHECK (source IN ('own', 'supplier')),
    CONSTRAINT vault_keys_state_check CHECK (state IN ('free', 'delivered', 'revoked', 'held')),
    CONSTRAINT vault_keys_free_check CHECK (
        state <> 'free' OR (order_id IS NULL AND unit_id IS NULL AND duplicate_of IS NULL)
    ),
    CONSTRAINT vault_keys_delivered_check CHECK (state <> 'delivered' OR order_id IS NOT NULL)
);
CREATE UNIQUE INDEX vault_keys_fingerprint_idx ON keyshop.vault_keys (fingerprint)
    WHERE duplicate_of IS NULL;
CREATE INDEX vault_keys_free_idx ON keyshop.vault_keys (game_id, created_at, id)
    WHERE state = 'free';
CREATE INDEX vault_keys_order_id_idx ON keyshop.vault_keys (order_id);
CREATE INDEX vault_keys_version_idx ON keyshop.vault_keys (version);
CREATE INDEX vault_keys_held_idx ON keyshop.vault_keys (created_at) WHERE state = 'held';

CREATE TABLE keyshop.key_reveals (
    vault_key_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    day DATE NOT NULL,
    revealed_at TIMESTAMP(3) NOT NULL,
    CONSTRAINT key_reveals_pkey PRIMARY KEY (vault_key_id, user_id, day)
);
CREATE INDEX key_reveals_user_id_idx ON keyshop.key_reveals (user_id);

-- Following

CREATE OR REPLACE FUNCTION keyshop.follow_missed_changes() RETURNS VOID
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
    VALUES ('{}', '{games,home,catalog,prices,titles,profiles,transactions,balances,access}');
END
$$;
