-- One row in a database that Prisma made and keyshop took over, none where keyshop made the tables.
-- Taking over begins with this table, which is why it may be there already.
CREATE TABLE IF NOT EXISTS keyshop.attachment (
    id SMALLINT PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    begun_at TIMESTAMPTZ(3) NOT NULL,
    finished_at TIMESTAMPTZ(3)
);

-- What a customer's balance was more, or less, than the sum of the completed transactions when the
-- database was taken over; whoever has no row began with nothing. So for everybody
-- balance = opening balance + sum of the completed transactions.
CREATE TABLE keyshop.opening_balances (
    user_id TEXT PRIMARY KEY REFERENCES public.users (id) ON DELETE CASCADE ON UPDATE CASCADE,
    balance NUMERIC(20,2) NOT NULL,
    recorded_at TIMESTAMP(3) NOT NULL
);

-- The triggers that revisions made, written down after each: `keyshop db status` tells when one is
-- gone or switched off. A revision that drops a trigger deletes its row.
CREATE TABLE keyshop.triggers (
    schema_name TEXT NOT NULL,
    table_name TEXT NOT NULL,
    name TEXT NOT NULL,
    enabled TEXT NOT NULL,
    PRIMARY KEY (schema_name, table_name, name)
);
