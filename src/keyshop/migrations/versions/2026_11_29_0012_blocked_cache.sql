-- While triggers of keyshop are missing or disabled, changes invalidate nothing: the cache is closed, and
-- stays so until a worker finds them again.

-- Why the cache must not open; NULL: it may.
ALTER TABLE keyshop.cache_control ADD COLUMN blocked TEXT;

CREATE OR REPLACE FUNCTION keyshop.increment_cache_seq() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    NEW.seq := OLD.seq;
    IF (NEW.installation, NEW.epoch, NEW.incarnation, NEW.state, NEW.cold_next,
        NEW.blocked)
        IS DISTINCT FROM (OLD.installation, OLD.epoch, OLD.incarnation, OLD.state, OLD.cold_next,
        OLD.blocked)
    THEN
        NEW.seq := OLD.seq + 1;
    END IF;
    IF NEW.state = 'CLOSED' AND OLD.state = 'OPEN' THEN
        NEW.closed_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;

DROP FUNCTION keyshop.cache_view();
CREATE FUNCTION keyshop.cache_view() RETURNS TABLE (
    seq BIGINT, shop TEXT, timeline TEXT, epoch TEXT, incarnation TEXT, state TEXT,
    cold_next BOOLEAN, closed_seconds FLOAT8, beat_seconds FLOAT8, blocked TEXT
)
LANGUAGE sql STABLE AS $$
    SELECT control.seq, keyshop.cache_shop(),
        left(pg_walfile_name(pg_current_wal_lsn()), 8),
        control.epoch, control.incarnation, control.state, control.cold_next,
        extract(epoch FROM clock_timestamp() - closed_at)::float8,
        -- abs: a clock that was set back must not make an old beat look recent.
        abs(extract(epoch FROM clock_timestamp() - relay_beat))::float8,
        control.blocked
    FROM keyshop.cache_control AS control
$$;

CREATE OR REPLACE FUNCTION keyshop.cache_open(expected_seq BIGINT, new_incarnation TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog SET lock_timeout = '50ms' AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(5577006791947779410);
    UPDATE keyshop.cache_control
    SET state = 'OPEN', epoch = keyshop.new_cache_epoch(), incarnation = new_incarnation,
        cold_next = false
    WHERE state = 'CLOSED' AND seq = expected_seq AND blocked IS NULL;
    RETURN FOUND;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;

CREATE OR REPLACE FUNCTION keyshop.cache_open_warm(expected_seq BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog SET lock_timeout = '50ms' AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(5577006791947779410);
    UPDATE keyshop.cache_control SET state = 'OPEN'
    WHERE state = 'CLOSED' AND seq = expected_seq AND NOT cold_next AND blocked IS NULL
        AND NOT EXISTS (SELECT FROM keyshop.cache_outbox WHERE NOT guarded);
    RETURN FOUND;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;

-- Closes the cache for this reason, or allows it to open again (NULL). What is stored now may be older
-- than PostgreSQL's rows, so the next opening begins a new epoch. Returns whether anything changed.
CREATE FUNCTION keyshop.cache_block(reason TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
BEGIN
    UPDATE keyshop.cache_control
    SET blocked = reason, state = 'CLOSED', cold_next = true
    WHERE blocked IS DISTINCT FROM reason;
    RETURN FOUND;
END
$$;
