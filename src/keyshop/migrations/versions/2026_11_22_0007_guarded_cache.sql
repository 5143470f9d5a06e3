-- The cache's part of the database: an outbox to which triggers write the keys that a transaction
-- invalidates, within that transaction, and one control row that says whether Redis may be trusted.

-- The control row. Every process polls it ten times a second and relies on it for half a second.

CREATE TABLE keyshop.cache_control (
    id INTEGER NOT NULL DEFAULT 1,
    installation UUID NOT NULL DEFAULT gen_random_uuid(),
    -- A prefix of every value in Redis. A new epoch makes all stored values unreadable at once.
    epoch TEXT NOT NULL,
    -- Identifies the Redis server and its data; empty until the first opening.
    incarnation TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'CLOSED',
    closed_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    -- Whether the next opening must begin a new epoch, because outbox rows were dropped undelivered.
    cold_next BOOLEAN NOT NULL DEFAULT true,
    -- The version of the row: two reads with the same seq have seen the same row.
    seq BIGINT NOT NULL DEFAULT 1,
    -- When a relay last delivered the changes of other applications.
    relay_beat TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT cache_control_pkey PRIMARY KEY (id),
    CONSTRAINT cache_control_id_check CHECK (id = 1),
    CONSTRAINT cache_control_state_check CHECK (state IN ('OPEN', 'CLOSED'))
    -- relay_beat is updated five times a second; a low fillfactor keeps these updates HOT.
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Keys and groups to invalidate: triggers insert them, and rows are deleted after Redis has them.

CREATE TABLE keyshop.cache_outbox (
    id BIGSERIAL NOT NULL,
    -- The top-level transaction's id, inside savepoints too.
    xid XID8 NOT NULL DEFAULT pg_current_xact_id(),
    keys TEXT[] NOT NULL,
    groups TEXT[] NOT NULL,
    -- Whether Redis had the markers before the COMMIT, so that no reader can get an older value.
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

-- Increments seq on every change, including one made by hand.
CREATE FUNCTION keyshop.increment_cache_seq() RETURNS TRIGGER
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
CREATE TRIGGER increment_cache_seq BEFORE UPDATE ON keyshop.cache_control
    FOR EACH ROW EXECUTE FUNCTION keyshop.increment_cache_seq();
ALTER TABLE keyshop.cache_control ENABLE ALWAYS TRIGGER increment_cache_seq;

INSERT INTO keyshop.cache_control (epoch) VALUES (keyshop.new_cache_epoch());

-- The prefix of every name in Redis, which separates two shops on one Redis. A copy of this database
-- made by CREATE DATABASE ... TEMPLATE is a different shop.
CREATE FUNCTION keyshop.cache_shop() RETURNS TEXT
LANGUAGE sql STABLE AS $$
    SELECT left(encode(sha256(convert_to(
        concat_ws('.', system_identifier, database.oid, installation), 'UTF8'
    )), 'hex'), 12)
    FROM pg_control_system(), keyshop.cache_control, pg_database AS database
    WHERE database.datname = current_database()
$$;

-- What every process polls. The timeline is PostgreSQL's: a promoted standby begins a new one.
CREATE FUNCTION keyshop.cache_view() RETURNS TABLE (
    seq BIGINT, shop TEXT, timeline TEXT, epoch TEXT, incarnation TEXT, state TEXT,
    cold_next BOOLEAN, closed_seconds FLOAT8, beat_seconds FLOAT8
)
LANGUAGE sql STABLE AS $$
    SELECT control.seq, keyshop.cache_shop(),
        left(pg_walfile_name(pg_current_wal_lsn()), 8),
        control.epoch, control.incarnation, control.state, control.cold_next,
        extract(epoch FROM clock_timestamp() - closed_at)::float8,
        -- abs: a clock that was set back must not make an old beat look recent.
        abs(extract(epoch FROM clock_timestamp() - relay_beat))::float8
    FROM keyshop.cache_control AS control
$$;

-- Called before a COMMIT. Committing transactions share the advisory lock; opening the cache takes it
-- exclusively. A second statement reads the row, and so sees what was committed while the first waited.
CREATE FUNCTION keyshop.cache_guard(guarded BOOLEAN) RETURNS keyshop.cache_control
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
DECLARE
    control keyshop.cache_control;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'keyshop.cache_guard must be called at READ COMMITTED.'
            USING DETAIL = 'At any other level it would read an outdated state of the cache.',
            ERRCODE = 'invalid_transaction_state';
    END IF;
    PERFORM pg_advisory_xact_lock_shared(5577006791947779410);
    SELECT * INTO control FROM keyshop.cache_control;
    UPDATE keyshop.cache_outbox AS outbox SET guarded = cache_guard.guarded
    WHERE outbox.xid = pg_current_xact_id() AND outbox.guarded <> cache_guard.guarded;
    RETURN control;
END
$$;

-- Half a second after this call no process trusts Redis any more.
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

-- Makes the next opening begin a new epoch, in which no value stored now can be read.
CREATE FUNCTION keyshop.cache_demand_cold() RETURNS BOOLEAN
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
BEGIN
    UPDATE keyshop.cache_control SET cold_next = true WHERE state = 'CLOSED';
    RETURN FOUND;
END
$$;

-- Drops undelivered rows: in a new epoch they are not needed. A writer takes a deleted row for a
-- delivered one. So this returns NULL, and does nothing, until no process can rely on a view from before
-- the CLOSE, and the control row stays locked until the rows are gone. Returns the number of rows.
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
    -- SKIP LOCKED: a relay that was stopped may hold some rows, and must not block this.
    DELETE FROM keyshop.cache_outbox WHERE id IN (
        SELECT id FROM keyshop.cache_outbox FOR UPDATE SKIP LOCKED
    );
    GET DIAGNOSTICS dropped = ROW_COUNT;
    RETURN dropped;
END
$$;

-- Opens the cache in a new epoch. Returns false when the lock was not free or the row has changed.
-- Call it outside a transaction, which would hold the lock until its end. All writers queue behind a
-- waiting request for the lock, so it waits for at most 50 ms.
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

-- Opens the cache in the same epoch, if every unguarded row has been delivered. A transaction that
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

-- Builds cache keys from column values. Returns NULL for more than 500 keys: the family's group is
-- invalidated instead. Skips a value that cannot be part of a key, because nothing is stored under it.
-- length() is a condition of its own: as a quantifier in the expression it costs twenty times as much.

CREATE FUNCTION keyshop.cache_keys(before TEXT, parts TEXT[], after TEXT) RETURNS TEXT[]
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    keys TEXT[];
BEGIN
    -- The most frequent case, a single row, needs no query.
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

-- Look up key parts in other rows, and lock those rows as a foreign key does: a transaction that wants
-- to change the part waits for this one, or has committed, and then its new value is found. Without the
-- lock, neither transaction would see the other, and an answer without this change could be stored
-- under the new part. A second statement reads the part: the one that waited returns the old value.

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
