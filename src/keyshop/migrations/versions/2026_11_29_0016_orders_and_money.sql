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

-- Other programs

-- What the balance of each customer should be: the balance when keyshop came, what its wallet wrote since,
-- and what other programs changed. Rows of the ledger that others wrote count nothing.
CREATE FUNCTION keyshop.balances()
RETURNS TABLE (user_id TEXT, balance NUMERIC, expected NUMERIC)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT u.id::text, keyshop.finite(u.balance::numeric),
        coalesce(opened.amount, 0) + coalesce(written.amount, 0) + coalesce(changed.amount, 0)
    FROM public.users AS u
    LEFT JOIN (SELECT o.user_id AS id, o.balance AS amount FROM keyshop.opening_balances AS o)
        AS opened USING (id)
    LEFT JOIN (
        SELECT w.user_id AS id, sum(w.amount) AS amount FROM keyshop.wallet_rows AS w GROUP BY 1
    ) AS written USING (id)
    LEFT JOIN (
        SELECT c.user_id AS id, sum(c.amount) AS amount FROM keyshop.foreign_balance_changes AS c
        WHERE c.kind = 'balance' AND NOT c.is_closed GROUP BY 1
    ) AS changed USING (id);
END
$$;

CREATE FUNCTION keyshop.record_balance() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    customer TEXT;
    before NUMERIC := 0;
    after NUMERIC;
BEGIN
    -- The block writes nothing: a subtransaction that writes, for each row, would cost readers dearly.
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            before := OLD.balance::numeric;
        END IF;
        after := NEW.balance::numeric;
        customer := NEW.id;
    EXCEPTION WHEN syntax_error_or_access_rule_violation OR data_exception THEN
        PERFORM keyshop.record_missed_change('public.users');
        RETURN NULL;
    END;
    IF after IS NOT DISTINCT FROM before OR keyshop.is_wallet() THEN
        RETURN NULL;
    END IF;
    INSERT INTO keyshop.foreign_balance_changes
        (user_id, kind, amount, details, db_role, application, happened_at)
    VALUES (customer, 'balance',
        coalesce(keyshop.finite(after), 0) - coalesce(keyshop.finite(before), 0),
        jsonb_build_object('old', before::text, 'new', after::text), session_user,
        current_setting('application_name'), timezone('UTC', now()));
    RETURN NULL;
END
$$;

CREATE FUNCTION keyshop.record_ledger_added() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF keyshop.is_wallet() THEN
        INSERT INTO keyshop.wallet_rows (transaction_id, user_id, type, amount, written_at)
        SELECT id, "userId", type::text, amount::numeric, timezone('UTC', now()) FROM new_rows;
        RETURN NULL;
    END IF;
    INSERT INTO keyshop.foreign_balance_changes
        (user_id, kind, transaction_id, amount, details, db_role, application, happened_at)
    SELECT "userId", 'row_added', id,
        CASE WHEN status::text = 'COMPLETED' THEN keyshop.finite(amount::numeric) ELSE 0 END,
        jsonb_build_object('type', type, 'status', status, 'amount', amount::text),
        session_user, current_setting('application_name'), timezone('UTC', now())
    FROM new_rows;
    RETURN NULL;
EXCEPTION WHEN syntax_error_or_access_rule_violation OR data_exception THEN
    PERFORM keyshop.record_missed_change('public.transactions');
    RETURN NULL;
END
$$;

CREATE FUNCTION keyshop.record_ledger_changed() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    entry TEXT;
    owner_before TEXT;
    owner_after TEXT;
    before NUMERIC;
    after NUMERIC;
    details JSONB;
BEGIN
    BEGIN
        IF (OLD.id, OLD.amount, OLD.type, OLD."userId", OLD.status)
            IS NOT DISTINCT FROM (NEW.id, NEW.amount, NEW.type, NEW."userId", NEW.status)
            -- A cascade: the customer has a new id.
            OR NOT EXISTS (SELECT FROM public.users WHERE id = OLD."userId")
        THEN
            RETURN NULL;
        END IF;
        IF EXISTS (SELECT FROM keyshop.wallet_rows WHERE transaction_id = OLD.id) THEN
            RAISE EXCEPTION 'Rows of the ledger are only added.'
                USING ERRCODE = 'restrict_violation';
        END IF;
        entry := NEW.id;
        owner_before := OLD."userId";
        owner_after := NEW."userId";
        before := CASE WHEN OLD.status::text = 'COMPLETED'
            THEN keyshop.finite(OLD.amount::numeric) ELSE 0 END;
        after := CASE WHEN NEW.status::text = 'COMPLETED'
            THEN keyshop.finite(NEW.amount::numeric) ELSE 0 END;
        details := jsonb_build_object(
            'old', jsonb_build_object('id', OLD.id, 'type', OLD.type, 'status', OLD.status,
                'amount', OLD.amount::text, 'userId', OLD."userId"),
            'new', jsonb_build_object('id', NEW.id, 'type', NEW.type, 'status', NEW.status,
                'amount', NEW.amount::text, 'userId', NEW."userId"));
    EXCEPTION WHEN syntax_error_or_access_rule_violation OR data_exception THEN
        PERFORM keyshop.record_missed_change('public.transactions');
        RETURN NULL;
    END;
    INSERT INTO keyshop.foreign_balance_changes
        (user_id, kind, transaction_id, amount, details, db_role, application, happened_at)
    SELECT changes.customer, 'row_changed', entry, changes.amount, details, session_user,
        current_setting('application_name'), timezone('UTC', now())
    FROM (
        SELECT owner_after AS customer, after - before AS amount WHERE owner_before = owner_after
        UNION ALL
        SELECT owner_before, -before WHERE owner_before <> owner_after
        UNION ALL
        SELECT owner_after, after WHERE owner_before <> owner_after
    ) AS changes;
    RETURN NULL;
END
$$;

-- Rows that go with their customer are neither refused nor recorded.
CREATE FUNCTION keyshop.record_ledger_removed() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF EXISTS (
        SELECT FROM old_rows AS o
        JOIN keyshop.wallet_rows AS w ON w.transaction_id = o.id
        JOIN public.users AS u ON u.id = o."userId"
    ) THEN
        RAISE EXCEPTION 'Rows of the ledger are only added.' USING ERRCODE = 'restrict_violation';
    END IF;
    INSERT INTO keyshop.foreign_balance_changes
        (user_id, kind, transaction_id, amount, details, db_role, application, happened_at)
    SELECT o."userId", 'row_removed', o.id,
        CASE WHEN o.status::text = 'COMPLETED' THEN -keyshop.finite(o.amount::numeric) ELSE 0 END,
        jsonb_build_object('type', o.type, 'status', o.status, 'amount', o.amount::text),
        session_user, current_setting('application_name'), timezone('UTC', now())
    FROM old_rows AS o JOIN public.users AS u ON u.id = o."userId";
    RETURN NULL;
EXCEPTION WHEN syntax_error_or_access_rule_violation OR data_exception THEN
    PERFORM keyshop.record_missed_change('public.transactions');
    RETURN NULL;
END
$$;

-- The orders are gone: what they still wait for is to be refunded.
CREATE FUNCTION keyshop.orphan_orders(gone TEXT[]) RETURNS VOID
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    moment TIMESTAMP(3) := timezone('UTC', now());
BEGIN
    gone := ARRAY(
        SELECT order_id FROM keyshop.placed_orders
        WHERE order_id = ANY(gone) AND deleted_at IS NULL ORDER BY order_id FOR UPDATE
    );
    IF gone = '{}' THEN
        RETURN;
    END IF;
    UPDATE keyshop.placed_orders SET deleted_at = moment WHERE order_id = ANY(gone);
    PERFORM FROM keyshop.order_units
    WHERE order_id = ANY(gone) AND state = 'OPEN' ORDER BY id FOR UPDATE;
    UPDATE keyshop.order_units SET state = 'ORPHANED', next_at = moment, version = version + 1
    WHERE order_id = ANY(gone) AND state = 'OPEN';
    INSERT INTO keyshop.order_events (order_id, happened_at, kind, actor)
    SELECT id, moment, 'order deleted', 'another program' FROM unnest(gone) AS id;
END
$$;

CREATE FUNCTION keyshop.follow_deleted_orders() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    gone TEXT[];
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        gone := ARRAY(SELECT order_id FROM keyshop.placed_orders WHERE deleted_at IS NULL);
    ELSE
        BEGIN
            gone := ARRAY(SELECT id FROM old_rows);
        EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
            PERFORM keyshop.record_missed_change('public.orders');
            RETURN NULL;
        END;
    END IF;
    PERFORM keyshop.orphan_orders(gone);
    RETURN NULL;
END
$$;

CREATE FUNCTION keyshop.follow_changed_order() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    BEGIN
        IF OLD.id = NEW.id THEN
            RETURN NULL;
        END IF;
    EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
        PERFORM keyshop.record_missed_change('public.orders');
        RETURN NULL;
    END;
    UPDATE keyshop.placed_orders SET order_id = NEW.id WHERE order_id = OLD.id;
    UPDATE keyshop.order_units SET order_id = NEW.id WHERE order_id = OLD.id;
    UPDATE keyshop.vault_keys SET order_id = NEW.id WHERE order_id = OLD.id;
    UPDATE keyshop.promo_uses SET order_id = NEW.id WHERE order_id = OLD.id;
    UPDATE keyshop.idempotency SET order_id = NEW.id WHERE order_id = OLD.id;
    PERFORM set_config('keyshop.following', 'on', true);
    UPDATE keyshop.refunds SET order_id = NEW.id WHERE order_id = OLD.id;
    UPDATE keyshop.order_events SET order_id = NEW.id WHERE order_id = OLD.id;
    PERFORM set_config('keyshop.following', '', true);
    RETURN NULL;
END
$$;

-- A free key that another program touched may have been given away.
CREATE FUNCTION keyshop.hold_free_keys(ids TEXT[], reason TEXT) RETURNS VOID
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
BEGIN
    PERFORM FROM keyshop.vault_keys
    WHERE id = ANY(ids) AND state = 'free' ORDER BY id FOR UPDATE;
    UPDATE keyshop.vault_keys
    SET state = 'held', held_reason = reason, changed_at = timezone('UTC', now())
    WHERE id = ANY(ids) AND state = 'free';
END
$$;

CREATE FUNCTION keyshop.follow_changed_key() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    changed TEXT;
BEGIN
    BEGIN
        IF to_jsonb(OLD) = to_jsonb(NEW) OR keyshop.is_vault()
            -- A cascade: the game has a new id.
            OR (to_jsonb(OLD) - 'gameId' = to_jsonb(NEW) - 'gameId'
                AND NOT EXISTS (SELECT FROM public.games WHERE id = OLD."gameId"))
        THEN
            RETURN NULL;
        END IF;
        changed := OLD.id;
    EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
        PERFORM keyshop.record_missed_change('public.game_keys');
        RETURN NULL;
    END;
    PERFORM keyshop.hold_free_keys(ARRAY[changed], 'changed by another program');
    RETURN NULL;
END
$$;

CREATE FUNCTION keyshop.follow_deleted_keys() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    gone TEXT[];
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        gone := ARRAY(SELECT id FROM keyshop.vault_keys WHERE state = 'free');
    ELSE
        BEGIN
            gone := ARRAY(SELECT id FROM old_rows);
        EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
            PERFORM keyshop.record_missed_change('public.game_keys');
            RETURN NULL;
        END;
    END IF;
    PERFORM keyshop.hold_free_keys(gone, 'deleted by another program');
    RETURN NULL;
END
$$;

CREATE TRIGGER keyshop_balance_recorded AFTER INSERT OR UPDATE ON public.users
    FOR EACH ROW EXECUTE FUNCTION keyshop.record_balance();
CREATE TRIGGER keyshop_ledger_added AFTER INSERT ON public.transactions
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.record_ledger_added();
CREATE TRIGGER keyshop_ledger_changed AFTER UPDATE ON public.transactions
    FOR EACH ROW EXECUTE FUNCTION keyshop.record_ledger_changed();
CREATE TRIGGER keyshop_ledger_removed AFTER DELETE ON public.transactions
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.record_ledger_removed();
CREATE TRIGGER keyshop_followed_deleted AFTER DELETE ON public.orders
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.follow_deleted_orders();
CREATE TRIGGER keyshop_followed_truncated AFTER TRUNCATE ON public.orders
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.follow_deleted_orders();
CREATE TRIGGER keyshop_followed_changed AFTER UPDATE ON public.orders
    FOR EACH ROW EXECUTE FUNCTION keyshop.follow_changed_order();
CREATE TRIGGER keyshop_followed_deleted AFTER DELETE ON public.game_keys
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.follow_deleted_keys();
CREATE TRIGGER keyshop_followed_truncated AFTER TRUNCATE ON public.game_keys
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.follow_deleted_keys();
CREATE TRIGGER keyshop_followed_changed AFTER UPDATE ON public.game_keys
    FOR EACH ROW EXECUTE FUNCTION keyshop.follow_changed_key();
ALTER TABLE public.users ENABLE ALWAYS TRIGGER keyshop_balance_recorded;
ALTER TABLE public.transactions ENABLE ALWAYS TRIGGER keyshop_ledger_added,
    ENABLE ALWAYS TRIGGER keyshop_ledger_changed, ENABLE ALWAYS TRIGGER keyshop_ledger_removed;
ALTER TABLE public.orders ENABLE ALWAYS TRIGGER keyshop_followed_deleted,
    ENABLE ALWAYS TRIGGER keyshop_followed_truncated,
    ENABLE ALWAYS TRIGGER keyshop_followed_changed;
ALTER TABLE public.game_keys ENABLE ALWAYS TRIGGER keyshop_followed_deleted,
    ENABLE ALWAYS TRIGGER keyshop_followed_truncated,
    ENABLE ALWAYS TRIGGER keyshop_followed_changed;

-- From here on an opening balance is the whole balance, and older rows of the ledger count nothing: in
-- the transaction that installs the triggers, so that each change is counted once.
DELETE FROM keyshop.opening_balances;
INSERT INTO keyshop.opening_balances (user_id, balance, recorded_at, ledger_total)
SELECT u.id, keyshop.finite(u.balance), timezone('UTC', now()), coalesce(t.total, 0)
FROM public.users AS u
LEFT JOIN (
    SELECT "userId", sum(keyshop.finite(amount)) AS total FROM public.transactions
    WHERE status = 'COMPLETED' GROUP BY "userId"
) AS t ON t."userId" = u.id
WHERE keyshop.finite(u.balance) <> 0 OR coalesce(t.total, 0) <> 0;

-- Rows of keyshop go with the row that they refer to, and follow its changed id.

CREATE OR REPLACE FUNCTION keyshop.follow_deleted_users() RETURNS TRIGGER
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
        DELETE FROM keyshop.idempotency WHERE user_id = ANY(gone);
        DELETE FROM keyshop.wallet_rows WHERE user_id = ANY(gone);
        DELETE FROM keyshop.key_reveals WHERE user_id = ANY(gone);
        UPDATE keyshop.foreign_balance_changes SET is_closed = true WHERE user_id = ANY(gone);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION keyshop.follow_changed_user() RETURNS TRIGGER
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
    UPDATE keyshop.placed_orders SET user_id = NEW.id WHERE user_id = OLD.id;
    UPDATE keyshop.order_units SET user_id = NEW.id WHERE user_id = OLD.id;
    UPDATE keyshop.idempotency SET user_id = NEW.id WHERE user_id = OLD.id;
    UPDATE keyshop.wallet_rows SET user_id = NEW.id WHERE user_id = OLD.id;
    UPDATE keyshop.foreign_balance_changes SET user_id = NEW.id WHERE user_id = OLD.id;
    UPDATE keyshop.top_up_intents SET user_id = NEW.id WHERE user_id = OLD.id;
    UPDATE keyshop.key_reveals SET user_id = NEW.id WHERE user_id = OLD.id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION keyshop.follow_changed_game() RETURNS TRIGGER
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
    UPDATE keyshop.order_units SET game_id = NEW.id WHERE game_id = OLD.id;
    UPDATE keyshop.vault_keys SET game_id = NEW.id WHERE game_id = OLD.id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION keyshop.follow_truncated() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF TG_TABLE_NAME = 'users' THEN
        DELETE FROM keyshop.token_families;
        DELETE FROM keyshop.email_tokens;
        DELETE FROM keyshop.opening_balances;
        DELETE FROM keyshop.idempotency;
        DELETE FROM keyshop.wallet_rows;
        DELETE FROM keyshop.key_reveals;
        UPDATE keyshop.foreign_balance_changes SET is_closed = true;
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

-- As in 0015, with orders, keys and money.
CREATE OR REPLACE FUNCTION keyshop.follow_missed_changes() RETURNS VOID
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog SET lock_timeout = '400ms' AS $$
DECLARE
    followed BIGINT[];
BEGIN
    -- No change of these tables is made between the reading of the rows and the end.
    LOCK TABLE public.users, public.sessions, public.games, public.orders, public.transactions,
        public.game_keys, public.game_genres, public.game_platforms, public.game_tags IN SHARE MODE;
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

    DELETE FROM keyshop.idempotency WHERE user_id NOT IN (SELECT id FROM public.users);
    DELETE FROM keyshop.wallet_rows WHERE user_id NOT IN (SELECT id FROM public.users);
    DELETE FROM keyshop.key_reveals WHERE user_id NOT IN (SELECT id FROM public.users);
    UPDATE keyshop.foreign_balance_changes SET is_closed = true
    WHERE NOT is_closed AND user_id NOT IN (SELECT id FROM public.users);
    PERFORM keyshop.orphan_orders(ARRAY(
        SELECT order_id FROM keyshop.placed_orders
        WHERE deleted_at IS NULL AND order_id NOT IN (SELECT id FROM public.orders)
    ));
    UPDATE keyshop.vault_keys AS v SET game_id = k."gameId"
    FROM public.game_keys AS k WHERE k.id = v.id AND k."gameId" <> v.game_id;
    PERFORM keyshop.hold_free_keys(ARRAY(
        SELECT v.id FROM keyshop.vault_keys AS v
        LEFT JOIN public.game_keys AS k ON k.id = v.id AND k."orderId" IS NULL AND NOT k.activated
        WHERE v.state = 'free' AND k.id IS NULL
    ), 'changed by another program');
    -- What the balance lacks or has too much is another program's change.
    INSERT INTO keyshop.foreign_balance_changes
        (user_id, kind, amount, details, db_role, application, happened_at)
    SELECT user_id, 'balance', balance - expected, '{"missed": true}', '', '',
        timezone('UTC', now())
    FROM keyshop.balances() WHERE balance <> expected;

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

-- Invariants

-- Each function returns what violates one invariant: kind and id of what it is about, and a sentence. The
-- view depends on no table of the shop, since the bodies of functions are text. Orders that keyshop did not
-- place have no units and are not judged.

-- The balance is what it should be.
CREATE FUNCTION keyshop.find_balance_equation()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'user', b.user_id, format('The balance is %s and should be %s.', b.balance, b.expected)
    FROM keyshop.balances() AS b WHERE b.balance <> b.expected;
END
$$;

-- No balance is negative, unless it was when keyshop came or another program lowered it.
CREATE FUNCTION keyshop.find_negative_balance()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'user', b.user_id, format('The balance is %s.', b.balance)
    FROM keyshop.balances() AS b
    WHERE b.balance < 0
        AND NOT EXISTS (
            SELECT FROM keyshop.opening_balances AS o
            WHERE o.user_id = b.user_id AND o.balance < 0
        )
        AND NOT EXISTS (
            SELECT FROM keyshop.foreign_balance_changes AS c
            WHERE c.user_id = b.user_id AND c.kind = 'balance' AND c.amount < 0
                AND NOT c.is_closed
        );
END
$$;

-- Every row that the wallet wrote is in the ledger as it was written.
CREATE FUNCTION keyshop.find_ledger_row_missing()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'user', w.user_id, format('The row %s of %s is missing or changed.', w.transaction_id,
        w.amount)
    FROM keyshop.wallet_rows AS w
    LEFT JOIN public.transactions AS t ON t.id = w.transaction_id AND t."userId" = w.user_id
        AND t.type::text = w.type AND t.amount::numeric = w.amount
        AND t.status::text = 'COMPLETED'
    WHERE t.id IS NULL;
END
$$;

-- What other programs changed in a balance stands in their rows of the ledger.
CREATE FUNCTION keyshop.find_unexplained_change()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'user', c.user_id, format('Other programs changed the balance by %s and the ledger by %s.',
        coalesce(sum(c.amount) FILTER (WHERE c.kind = 'balance'), 0),
        coalesce(sum(c.amount) FILTER (WHERE c.kind <> 'balance'), 0))
    FROM keyshop.foreign_balance_changes AS c
    WHERE NOT c.is_closed AND c.adopted_at IS NULL
    GROUP BY c.user_id
    HAVING sum(CASE WHEN c.kind = 'balance' THEN c.amount ELSE -c.amount END) <> 0;
END
$$;

-- A completed order waits for no key.
CREATE FUNCTION keyshop.find_completed_with_open_unit()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'order', p.order_id, format('It is completed, and the unit %s is open.', u.id)
    FROM keyshop.placed_orders AS p
    JOIN keyshop.order_units AS u USING (order_id)
    JOIN public.orders AS o ON o.id = p.order_id
    WHERE u.state = 'OPEN' AND o.status::text = 'COMPLETED';
END
$$;

-- The units cost together what the order and its items cost.
CREATE FUNCTION keyshop.find_charged_sum()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'order', p.order_id, format('The total is %s, and the units cost %s.', o.total,
        coalesce(sum(u.charged), 0))
    FROM keyshop.placed_orders AS p
    JOIN public.orders AS o ON o.id = p.order_id
    LEFT JOIN keyshop.order_units AS u ON u.order_id = p.order_id
    GROUP BY p.order_id, o.total
    HAVING coalesce(sum(u.charged), 0) <> o.total::numeric
    UNION ALL
    SELECT 'order', p.order_id, format('The item %s is %s times %s less %s, and its %s units cost %s.',
        i.id, i.quantity, i.price, i.discount, count(u.id), coalesce(sum(u.charged), 0))
    FROM keyshop.placed_orders AS p
    JOIN public.order_items AS i ON i."orderId" = p.order_id
    LEFT JOIN keyshop.order_units AS u ON u.item_id = i.id
    GROUP BY p.order_id, i.id, i.quantity, i.price, i.discount
    HAVING count(u.id) <> i.quantity::numeric OR coalesce(sum(u.charged), 0)
        <> i.quantity::numeric * i.price::numeric - i.discount::numeric;
END
$$;

-- A key belongs to one unit.
CREATE FUNCTION keyshop.find_key_of_two_units()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'key', u.vault_key_id, format('%s units have it.', count(*))
    FROM keyshop.order_units AS u WHERE u.vault_key_id IS NOT NULL
    GROUP BY u.vault_key_id HAVING count(*) > 1;
END
$$;

-- A delivered unit has its key.
CREATE FUNCTION keyshop.find_delivered_without_key()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'order', u.order_id, format('The unit %s is delivered without its key.', u.id)
    FROM keyshop.order_units AS u
    JOIN keyshop.placed_orders AS p ON p.order_id = u.order_id AND p.deleted_at IS NULL
    LEFT JOIN keyshop.vault_keys AS v
        ON v.id = u.vault_key_id AND v.unit_id = u.id AND v.state = 'delivered'
    LEFT JOIN public.game_keys AS k ON k.id = v.id
    WHERE u.state = 'DELIVERED' AND k.id IS NULL;
END
$$;

-- A delivered key has its unit.
CREATE FUNCTION keyshop.find_key_without_delivered()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'key', v.id, format('It is delivered to the order %s, and to no unit.', v.order_id)
    FROM keyshop.vault_keys AS v
    WHERE v.state = 'delivered'
        AND (v.unit_id IS NOT NULL
            OR EXISTS (SELECT FROM keyshop.placed_orders AS p WHERE p.order_id = v.order_id))
        AND NOT EXISTS (
            SELECT FROM keyshop.order_units AS u
            WHERE u.id = v.unit_id AND u.vault_key_id = v.id AND u.state = 'DELIVERED'
        );
END
$$;

-- No other program gave a key of the vault away.
CREATE FUNCTION keyshop.find_key_assigned_elsewhere()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'key', v.id, format('It is %s, and another program gave it to the order %s.', v.state,
        coalesce(k."orderId", '(activated)'))
    FROM keyshop.vault_keys AS v JOIN public.game_keys AS k ON k.id = v.id
    WHERE (v.state = 'delivered' AND k."orderId" <> v.order_id)
        OR (v.state = 'free' AND (k."orderId" IS NOT NULL OR k.activated));
END
$$;

-- An open unit is worked on in time, while buying is not paused.
CREATE FUNCTION keyshop.find_overdue_unit()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'order', u.order_id, format('The unit %s is due since %s.', u.id, u.next_at)
    FROM keyshop.order_units AS u
    JOIN keyshop.placed_orders AS p USING (order_id)
    WHERE u.state = 'OPEN' AND u.next_at < timezone('UTC', now()) - interval '5 minutes'
        AND NOT EXISTS (SELECT FROM keyshop.buying_state AS b WHERE b.is_paused_after_restore);
END
$$;

-- The state of an order is that of its units.
CREATE FUNCTION keyshop.find_order_state()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'order', c.id, format('It is %s (payment %s), and should be %s (%s).', c.status,
        c.payment, c.expected, c.expected_payment)
    FROM (
        SELECT o.id::text, o.status::text, o."paymentStatus"::text AS payment,
            CASE WHEN units.open THEN 'PROCESSING' WHEN units.delivered THEN 'COMPLETED'
                WHEN units.requested THEN 'CANCELLED' ELSE 'FAILED' END AS expected,
            CASE WHEN units.open OR units.delivered THEN 'COMPLETED' ELSE 'CANCELLED' END
                AS expected_payment
        FROM keyshop.placed_orders AS p
        JOIN public.orders AS o ON o.id = p.order_id
        JOIN (
            SELECT u.order_id, bool_or(u.state = 'OPEN') AS open,
                bool_or(u.state = 'DELIVERED') AS delivered,
                coalesce(bool_or(r.is_requested), false) AS requested
            FROM keyshop.order_units AS u LEFT JOIN keyshop.refunds AS r ON r.unit_id = u.id
            GROUP BY u.order_id
        ) AS units ON units.order_id = p.order_id
        WHERE p.deleted_at IS NULL
    ) AS c
    WHERE (c.status, c.payment) IS DISTINCT FROM (c.expected, c.expected_payment);
END
$$;

-- A refunded unit has a refund of what it cost, and refunds are rows of the ledger.
CREATE FUNCTION keyshop.find_refund_sum()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'order', u.order_id, format('The unit %s is %s, cost %s, and %s was refunded.', u.id,
        u.state, u.charged, coalesce(r.amount::text, 'nothing'))
    FROM keyshop.order_units AS u LEFT JOIN keyshop.refunds AS r ON r.unit_id = u.id
    WHERE (u.state = 'REFUNDED' AND r.amount IS DISTINCT FROM u.charged)
        OR (u.state IN ('OPEN', 'DELIVERED') AND r.id IS NOT NULL)
        OR (u.state = 'ORPHANED' AND r.amount <> u.charged)
    UNION ALL
    SELECT 'order', refunded.order_id, format('%s was refunded by %s, a row of the ledger with %s.',
        refunded.amount, refunded.transaction_id, coalesce(w.amount::text, 'nothing'))
    FROM (
        SELECT min(r.order_id) AS order_id, r.transaction_id, sum(r.amount) AS amount
        FROM keyshop.refunds AS r WHERE r.transaction_id IS NOT NULL GROUP BY r.transaction_id
    ) AS refunded
    JOIN keyshop.placed_orders AS p USING (order_id)
    JOIN public.users AS c ON c.id = p.user_id
    LEFT JOIN keyshop.wallet_rows AS w ON w.transaction_id = refunded.transaction_id
        AND w.type = 'REFUND' AND w.user_id = p.user_id
    WHERE w.amount IS DISTINCT FROM refunded.amount
    UNION ALL
    SELECT 'user', w.user_id, format('%s was refunded by %s for no unit.', w.amount,
        w.transaction_id)
    FROM keyshop.wallet_rows AS w
    WHERE w.type = 'REFUND'
        AND NOT EXISTS (
            SELECT FROM keyshop.refunds AS r WHERE r.transaction_id = w.transaction_id
        );
END
$$;

-- What a deleted order still waited for is refunded soon, if the customer exists.
CREATE FUNCTION keyshop.find_orphan_not_refunded()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'order', u.order_id, format('The unit %s of the deleted order is not refunded.', u.id)
    FROM keyshop.order_units AS u
    JOIN keyshop.placed_orders AS p USING (order_id)
    JOIN public.users AS c ON c.id = u.user_id
    WHERE u.state = 'ORPHANED' AND p.deleted_at < timezone('UTC', now()) - interval '5 minutes'
        AND NOT EXISTS (SELECT FROM keyshop.refunds AS r WHERE r.unit_id = u.id);
END
$$;

-- A promo code counts all its uses.
CREATE FUNCTION keyshop.find_promo_count()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'promo', m.id::text, format('It was used %s times, and counts %s.', count(*),
        m."usedCount")
    FROM keyshop.promo_uses AS s JOIN public.promo_codes AS m ON m.id = s.promo_id
    WHERE s.given_back_at IS NULL
    GROUP BY m.id, m."usedCount" HAVING count(*) > m."usedCount"::numeric;
END
$$;

-- A completed payment is in the ledger.
CREATE FUNCTION keyshop.find_paid_without_credit()
RETURNS TABLE (subject TEXT, subject_id TEXT, detail TEXT)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY
    SELECT 'user', i.user_id, format('The payment %s of %s is completed, and not in the ledger.', i.id,
        i.amount)
    FROM keyshop.top_up_intents AS i JOIN public.users AS c ON c.id = i.user_id
    WHERE i.state = 'completed'
        AND NOT EXISTS (
            SELECT FROM public.transactions AS t
            JOIN keyshop.wallet_rows AS w ON w.transaction_id = t.id AND w.type = 'TOP_UP'
                AND w.user_id = i.user_id AND w.amount = i.amount
            WHERE t."transactionHash" = i.transaction_id
        );
END
$$;

CREATE VIEW keyshop.violations (name, subject, subject_id, detail) AS
SELECT 'balance_equation', f.subject, f.subject_id, f.detail FROM keyshop.find_balance_equation() AS f
UNION ALL
SELECT 'negative_balance', f.subject, f.subject_id, f.detail FROM keyshop.find_negative_balance() AS f
UNION ALL
SELECT 'ledger_row_missing', f.subject, f.subject_id, f.detail FROM keyshop.find_ledger_row_missing() AS f
UNION ALL
SELECT 'unexplained_change', f.subject, f.subject_id, f.detail FROM keyshop.find_unexplained_change() AS f
UNION ALL
SELECT 'completed_with_open_unit', f.subject, f.subject_id, f.detail FROM keyshop.find_completed_with_open_unit() AS f
UNION ALL
SELECT 'charged_sum', f.subject, f.subject_id, f.detail FROM keyshop.find_charged_sum() AS f
UNION ALL
SELECT 'key_of_two_units', f.subject, f.subject_id, f.detail FROM keyshop.find_key_of_two_units() AS f
UNION ALL
SELECT 'delivered_without_key', f.subject, f.subject_id, f.detail FROM keyshop.find_delivered_without_key() AS f
UNION ALL
SELECT 'key_without_delivered', f.subject, f.subject_id, f.detail FROM keyshop.find_key_without_delivered() AS f
UNION ALL
SELECT 'key_assigned_elsewhere', f.subject, f.subject_id, f.detail FROM keyshop.find_key_assigned_elsewhere() AS f
UNION ALL
SELECT 'overdue_unit', f.subject, f.subject_id, f.detail FROM keyshop.find_overdue_unit() AS f
UNION ALL
SELECT 'order_state', f.subject, f.subject_id, f.detail FROM keyshop.find_order_state() AS f
UNION ALL
SELECT 'refund_sum', f.subject, f.subject_id, f.detail FROM keyshop.find_refund_sum() AS f
UNION ALL
SELECT 'orphan_not_refunded', f.subject, f.subject_id, f.detail FROM keyshop.find_orphan_not_refunded() AS f
UNION ALL
SELECT 'promo_count', f.subject, f.subject_id, f.detail FROM keyshop.find_promo_count() AS f
UNION ALL
SELECT 'paid_without_credit', f.subject, f.subject_id, f.detail FROM keyshop.find_paid_without_credit() AS f;
