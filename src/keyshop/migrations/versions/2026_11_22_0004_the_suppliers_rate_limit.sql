-- One row for each supplier with a rate limit. unused_at is the moment at which the budget would be
-- unused again if nobody called any more; pauses counts how often the supplier told us to slow down.
-- The clock is this server's: TIMESTAMPTZ with microseconds, since a turn is a tenth of a second.
CREATE TABLE keyshop.supplier_budget (
    supplier TEXT PRIMARY KEY,
    unused_at TIMESTAMPTZ NOT NULL,
    pauses BIGINT NOT NULL
) WITH (fillfactor = 10); -- one row, updated ten times a second: always in place
