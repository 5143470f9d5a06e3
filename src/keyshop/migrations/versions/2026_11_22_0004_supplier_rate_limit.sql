-- One row for each supplier with a rate limit, shared by all processes (GCRA): arrives_at is the
-- theoretical arrival time, by this server's clock. It keeps microseconds, because calls are a tenth of
-- a second apart. pauses counts how often the supplier has asked for a pause.
CREATE TABLE keyshop.supplier_budget (
    supplier TEXT PRIMARY KEY,
    arrives_at TIMESTAMPTZ NOT NULL,
    pauses BIGINT NOT NULL
) WITH (fillfactor = 10); -- ten updates a second: all of them HOT
