-- One row in a database that Prisma made and keyshop attached, none where keyshop made the tables.
-- `keyshop db attach` begins with this table, so it may exist already.
CREATE TABLE IF NOT EXISTS keyshop.attachment (
    id SMALLINT PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    begun_at TIMESTAMPTZ(3) NOT NULL,
    finished_at TIMESTAMPTZ(3)
);

-- The difference between a customer's balance and the sum of the completed transactions when the
-- database was attached; a customer without a row has none. For every customer,
-- balance = opening balance + sum of the completed transactions.
CREATE TABLE keyshop.opening_balances (
    user_id TEXT PRIMARY KEY REFERENCES public.users (id) ON DELETE CASCADE ON UPDATE CASCADE,
    balance NUMERIC(20,2) NOT NULL,
    recorded_at TIMESTAMP(3) NOT NULL
);

-- The triggers that should exist, recorded after each revision: `keyshop db status` reports
-- those that are missing or disabled. A revision that drops a trigger deletes its row.
CREATE TABLE keyshop.expected_triggers (
    schema_name TEXT NOT NULL,
    table_name TEXT NOT NULL,
    name TEXT NOT NULL,
    enabled TEXT NOT NULL,
    PRIMARY KEY (schema_name, table_name, name)
);
