-- Many games changed at once cost what they are in number, and no longer its square. The rows of a
-- statement have no index, and PL/pgSQL keeps the plan that it made for one row: a nested loop.

-- A changed id has been followed by the foreign keys already; LEFT JOIN takes such a game for a
-- changed one. Rows are locked in the order of their ids, so that two writers wait for each other at
-- most one way round. Texts are taken apart only when they are other texts.
CREATE OR REPLACE FUNCTION keyshop.change_game_facets() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET enable_nestloop = off AS $$
DECLARE
    changed TEXT[] := ARRAY(
        SELECT n.id FROM new_games AS n LEFT JOIN old_games AS o ON o.id = n.id
        WHERE (n.title, n.price, n."userRating", n."releaseDate", n."createdAt", n."inStock",
                n."isPreorder", n."isBestSeller", n."isNew", n.multiplayer, n."activationService",
                n.region, n.publisher)
            IS DISTINCT FROM (o.title, o.price, o."userRating", o."releaseDate", o."createdAt",
                o."inStock", o."isPreorder", o."isBestSeller", o."isNew", o.multiplayer,
                o."activationService", o.region, o.publisher)
    );
    reworded TEXT[] := ARRAY(
        SELECT n.id FROM new_games AS n LEFT JOIN old_games AS o ON o.id = n.id
        WHERE n.description IS DISTINCT FROM o.description
    );
BEGIN
    IF cardinality(changed) > 0 THEN
        PERFORM 1 FROM keyshop.game_facets
        WHERE game_id = ANY(changed) ORDER BY game_id FOR NO KEY UPDATE;

        UPDATE keyshop.game_facets AS facets
        SET names = keyshop.searchable_names(n.title, n.publisher), price = n.price,
            rating = n."userRating", released = n."releaseDate", created = n."createdAt",
            in_stock = n."inStock", is_preorder = n."isPreorder",
            is_best_seller = n."isBestSeller", is_marked_new = n."isNew",
            multiplayer = n.multiplayer, activation_service = n."activationService",
            region = n.region, publisher = n.publisher
        FROM new_games AS n
        WHERE facets.game_id = ANY(changed) AND n.id = facets.game_id;
    END IF;

    -- By their ids: without them all words of the shop would be read to be joined.
    IF cardinality(reworded) > 0 THEN
        UPDATE keyshop.game_description_terms AS found SET words = keyshop.searchable_words(n.description)
        FROM new_games AS n
        WHERE found.game_id = ANY(reworded) AND n.id = found.game_id;
    END IF;
    RETURN NULL;
END
$$;
