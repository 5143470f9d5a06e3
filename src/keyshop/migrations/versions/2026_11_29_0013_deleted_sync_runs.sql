-- Old runs are deleted. What they had counted is added up here in the same transaction, because a
-- counter in /metrics must never fall.
CREATE TABLE keyshop.deleted_sync_runs (
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    runs BIGINT NOT NULL,
    products BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    added BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    finished_at TIMESTAMP(3) NOT NULL,
    PRIMARY KEY (kind, state)
);
