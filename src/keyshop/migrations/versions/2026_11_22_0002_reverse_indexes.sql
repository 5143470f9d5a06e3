-- Prisma's composite primary keys begin with the game (or the customer). Without these indexes,
-- finding the games of a genre, or the carts that hold a game, would read whole tables. Their names
-- begin with keyshop_, which tells them from Prisma's.

CREATE INDEX IF NOT EXISTS "keyshop_game_categories_categoryId_gameId_idx"
    ON public.game_categories ("categoryId", "gameId");
CREATE INDEX IF NOT EXISTS "keyshop_game_genres_genreId_gameId_idx"
    ON public.game_genres ("genreId", "gameId");
CREATE INDEX IF NOT EXISTS "keyshop_game_platforms_platformId_gameId_idx"
    ON public.game_platforms ("platformId", "gameId");
CREATE INDEX IF NOT EXISTS "keyshop_game_tags_tagId_gameId_idx"
    ON public.game_tags ("tagId", "gameId");

CREATE INDEX IF NOT EXISTS "keyshop_cart_items_gameId_idx" ON public.cart_items ("gameId");
CREATE INDEX IF NOT EXISTS "keyshop_wishlist_gameId_idx" ON public.wishlist ("gameId");
