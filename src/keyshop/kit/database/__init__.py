"""PostgreSQL: pooled connections, transactions and the only place that commits."""
