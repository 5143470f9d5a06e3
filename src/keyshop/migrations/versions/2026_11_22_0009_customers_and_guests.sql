-- Customer accounts, beyond Prisma's tables, and guests.

-- Locks all tables of the shop that this revision changes, first of all and in the order in which the
-- shop writes them: in another order, this and a transaction of the shop could deadlock.
LOCK TABLE public.users, public.sessions, public.games IN SHARE ROW EXCLUSIVE MODE;

-- Sessions of signed-in customers: one row for each device, from sign-in to sign-out. Each refresh token
-- of a family replaces the one before it; an access token is valid as long as its family.
CREATE TABLE keyshop.token_families (
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- keyshop.account_state (a digest of role and password) when the family began. A different state
    -- of the account, whichever application wrote it, ends the family.
    account_state TEXT NOT NULL,
    created_at TIMESTAMP(3) NOT NULL,
    -- When the family's last refresh token expires.
    expires_at TIMESTAMP(3) NOT NULL,
    revoked_at TIMESTAMP(3),
    revoked_reason TEXT,
    CONSTRAINT token_families_pkey PRIMARY KEY (id),
    CONSTRAINT token_families_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES public.users (id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX token_families_user_id_idx ON keyshop.token_families (user_id);
-- Any request can read the live families. Ended ones are kept until their tokens expire.
CREATE INDEX token_families_live_idx ON keyshop.token_families (user_id) WHERE revoked_at IS NULL;
CREATE INDEX token_families_expires_at_idx ON keyshop.token_families (expires_at);

-- The current refresh token of each family and the one before it.
CREATE TABLE keyshop.refresh_tokens (
    -- The token's jti. A token of the family whose jti is not in this table is an older one.
    id TEXT NOT NULL,
    family_id TEXT NOT NULL,
    issued_at TIMESTAMP(3) NOT NULL,
    expires_at TIMESTAMP(3) NOT NULL,
    -- When the next token replaced it. If it is used again after a grace period, it was stolen.
    replaced_at TIMESTAMP(3),
    -- The token that it replaced.
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

-- Revokes the account's token families when its role or password changes, whichever application changes
-- it. The revocation is final: restoring the former role must not make old tokens valid again. A family
-- whose account_state was updated beforehand stays, as when the same password is only rehashed.
--
-- enable_nestloop is off: transition tables have no index, and PL/pgSQL would keep the plan made for
-- one row, a nested loop whose cost grows with the square of the rows.
CREATE FUNCTION keyshop.revoke_token_families() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET enable_nestloop = off AS $$
DECLARE
    changed TEXT[] := ARRAY(
        SELECT n.id FROM new_rows AS n LEFT JOIN old_rows AS o ON o.id = n.id
        WHERE (o.role, o."passwordHash") IS DISTINCT FROM (n.role, n."passwordHash")
    );
    revoked TEXT[];
BEGIN
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
    UPDATE keyshop.token_families
    SET revoked_at = now() AT TIME ZONE 'UTC', revoked_reason = 'role or password changed'
    WHERE id = ANY(revoked);
    RETURN NULL;
END
$$;
CREATE TRIGGER keyshop_token_families_revoked AFTER UPDATE ON public.users
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keyshop.revoke_token_families();
ALTER TABLE public.users ENABLE ALWAYS TRIGGER keyshop_token_families_revoked;

-- Rate limits (GCRA): arrives_at is the key's theoretical arrival time.
CREATE TABLE keyshop.rate_limits (
    -- The limit's name and a digest of the address or account: neither is stored in plain text.
    key TEXT NOT NULL,
    arrives_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT rate_limits_pkey PRIMARY KEY (key)
);
CREATE INDEX rate_limits_arrives_at_idx ON keyshop.rate_limits (arrives_at);

-- Consecutive wrong passwords, by digest of the e-mail address, whether or not an account has it.
CREATE TABLE keyshop.sign_in_failures (
    email_digest TEXT NOT NULL,
    -- A digest of the client, if it has signed in before, or of the device on which the password is
    -- changed; empty for all other clients together.
    client_digest TEXT NOT NULL DEFAULT '',
    failures INTEGER NOT NULL,
    last_failed_at TIMESTAMP(3) NOT NULL,
    locked_until TIMESTAMP(3),
    -- The last failure is counted in advance; its password is being verified.
    is_reserved BOOLEAN NOT NULL DEFAULT false,
    -- The owner of the account has been notified of the lock.
    is_notified BOOLEAN NOT NULL DEFAULT false,
    CONSTRAINT sign_in_failures_pkey PRIMARY KEY (email_digest, client_digest)
);
CREATE INDEX sign_in_failures_last_failed_at_idx ON keyshop.sign_in_failures (last_failed_at);

-- Tokens that were mailed to verify an address or to reset a password. Neither codes nor links are
-- stored: they are computed from the id and a secret of the shop.
CREATE TABLE keyshop.email_tokens (
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    -- The address it was sent to. The token is invalid once the account has another address.
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

-- Mails that a mail server has accepted. A job that runs again checks here and does not send twice.
CREATE TABLE keyshop.sent_mails (
    id TEXT NOT NULL,
    sent_at TIMESTAMP(3) NOT NULL,
    -- How often a mail server received the mail without confirming it; 0: the server has confirmed.
    unanswered INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT sent_mails_pkey PRIMARY KEY (id)
);
CREATE INDEX sent_mails_sent_at_idx ON keyshop.sent_mails (sent_at);

-- Carts and wishlists of guests. Prisma's tables refer to users, and a guest has no user.
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

-- The audit log: who did what to which object. Rows are only added. They refer to objects by id and hold
-- neither names nor e-mail addresses, so that erasing a customer need not change them.
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
