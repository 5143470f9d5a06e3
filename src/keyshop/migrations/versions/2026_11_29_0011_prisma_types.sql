-- Prisma changes an enum by making a new type and dropping the old one, which PostgreSQL refuses while a
-- function takes that type. `anyelement` takes the column's value whatever its type, also in statements
-- that were written for the enum.
DROP FUNCTION keyshop.account_state("Role", TEXT);
CREATE FUNCTION keyshop.account_state(role ANYELEMENT, password_hash TEXT) RETURNS TEXT
LANGUAGE sql STABLE AS $$
    SELECT left(encode(sha256(convert_to(concat_ws('.', role, password_hash), 'UTF8')), 'hex'), 32)
$$;
