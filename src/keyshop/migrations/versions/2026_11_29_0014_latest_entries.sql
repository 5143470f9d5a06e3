-- Neither column changes, so updates of a price or of stock are HOT as before.
CREATE INDEX game_facets_created_idx ON keyshop.game_facets (created DESC, game_id);
