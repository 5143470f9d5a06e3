-- The supplier's latest data of each game. The columns *_links list the platforms, genres and
-- categories that the sync itself linked; the sync removes no other links.
CREATE TABLE keyshop.supplier_games (
    game_id TEXT PRIMARY KEY REFERENCES public.games (id) ON DELETE CASCADE ON UPDATE CASCADE,
    product_id TEXT NOT NULL,
    min_price NUMERIC,
    retail_min_price NUMERIC,
    retail_min_base_price NUMERIC,
    qty INTEGER NOT NULL,
    available_to_buy BOOLEAN NOT NULL,
    platform TEXT,
    categories TEXT[],
    platform_links TEXT[] NOT NULL DEFAULT '{}',
    genre_links TEXT[] NOT NULL DEFAULT '{}',
    category_links TEXT[] NOT NULL DEFAULT '{}',
    changed_at TIMESTAMP(3) NOT NULL
) WITH (fillfactor = 80); -- quantities change often: leaves room for HOT updates

CREATE TABLE keyshop.sync_runs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at TIMESTAMP(3) NOT NULL,
    finished_at TIMESTAMP(3),
    total INTEGER,
    pages INTEGER NOT NULL DEFAULT 0,
    pages_failed INTEGER NOT NULL DEFAULT 0,
    products INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0,
    added INTEGER NOT NULL DEFAULT 0,
    updated INTEGER NOT NULL DEFAULT 0,
    relinked INTEGER NOT NULL DEFAULT 0,
    unknown INTEGER NOT NULL DEFAULT 0,
    genres_created INTEGER NOT NULL DEFAULT 0,
    platforms_created INTEGER NOT NULL DEFAULT 0,
    categories_created INTEGER NOT NULL DEFAULT 0,
    write_seconds DOUBLE PRECISION NOT NULL DEFAULT 0,
    unseen INTEGER,
    reason TEXT
);

CREATE INDEX sync_runs_kind_started_at_idx ON keyshop.sync_runs (kind, started_at DESC);

CREATE TABLE keyshop.sync_errors (
    run_id TEXT NOT NULL REFERENCES keyshop.sync_runs (id) ON DELETE CASCADE,
    page INTEGER,
    reason TEXT NOT NULL,
    created_at TIMESTAMP(3) NOT NULL
);

CREATE INDEX sync_errors_run_id_idx ON keyshop.sync_errors (run_id);

-- The products that a run has seen, one row for each batch: an insert is cheaper than an update of
-- every game.
CREATE TABLE keyshop.sync_seen_products (
    run_id TEXT NOT NULL REFERENCES keyshop.sync_runs (id) ON DELETE CASCADE,
    product_ids TEXT[] NOT NULL
);

CREATE INDEX sync_seen_products_run_id_idx ON keyshop.sync_seen_products (run_id);

-- The shop's games that complete runs no longer see, since the first run that missed them.
CREATE TABLE keyshop.sync_missing_products (
    product_id TEXT PRIMARY KEY,
    since TIMESTAMP(3) NOT NULL
);

-- Entries of the supplier's list that were rejected. The product_id of an entry without one is empty.
CREATE TABLE keyshop.sync_quarantine (
    product_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    run_id TEXT NOT NULL,
    page INTEGER,
    first_seen_at TIMESTAMP(3) NOT NULL,
    last_seen_at TIMESTAMP(3) NOT NULL,
    PRIMARY KEY (product_id, reason)
);
