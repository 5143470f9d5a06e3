-- What the supplier last said of a game: its raw figures beside the shop's price, and the links to
-- platforms, genres and categories that the sync itself made. Only those links it may remove again.
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
) WITH (fillfactor = 80); -- quantities change often: room for updates in place

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

-- Which products a run saw, a row for each batch: one insert instead of an update of every game.
CREATE TABLE keyshop.sync_seen (
    run_id TEXT NOT NULL REFERENCES keyshop.sync_runs (id) ON DELETE CASCADE,
    product_ids TEXT[] NOT NULL
);

CREATE INDEX sync_seen_run_id_idx ON keyshop.sync_seen (run_id);

-- Games of the shop that complete runs no longer see, since the first that did not.
CREATE TABLE keyshop.sync_missing (
    product_id TEXT PRIMARY KEY,
    since TIMESTAMP(3) NOT NULL
);

-- Entries of the supplier's list that were not believed. An entry without an id has an empty one.
CREATE TABLE keyshop.sync_quarantine (
    product_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    run_id TEXT NOT NULL,
    page INTEGER,
    first_seen_at TIMESTAMP(3) NOT NULL,
    last_seen_at TIMESTAMP(3) NOT NULL,
    PRIMARY KEY (product_id, reason)
);
