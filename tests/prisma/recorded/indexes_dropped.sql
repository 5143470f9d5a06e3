-- DropIndex
DROP INDEX "users_email_key";

-- DropIndex
DROP INDEX "users_email_idx";

-- DropIndex
DROP INDEX "games_slug_key";

-- DropIndex
DROP INDEX "games_g2aProductId_idx";

-- DropIndex
DROP INDEX "games_inStock_idx";

-- DropIndex
DROP INDEX "games_isBestSeller_idx";

-- DropIndex
DROP INDEX "games_isNew_idx";

-- DropIndex
DROP INDEX "games_isPreorder_idx";

-- DropIndex
DROP INDEX "games_languages_idx";

-- DropIndex
DROP INDEX "games_price_idx";

-- DropIndex
DROP INDEX "games_ratingCritic_idx";

-- DropIndex
DROP INDEX "games_ratingUser_idx";

-- DropIndex
DROP INDEX "games_releaseDate_idx";

-- DropIndex
DROP INDEX "games_slug_idx";

-- DropIndex
DROP INDEX "game_keys_key_key";

-- DropIndex
DROP INDEX "game_keys_gameId_idx";

-- DropIndex
DROP INDEX "game_keys_orderId_idx";

-- DropIndex
DROP INDEX "orders_externalOrderId_key";

-- DropIndex
DROP INDEX "orders_createdAt_idx";

-- DropIndex
DROP INDEX "orders_externalOrderId_idx";

-- DropIndex
DROP INDEX "orders_status_idx";

-- DropIndex
DROP INDEX "orders_userId_idx";

-- DropIndex
DROP INDEX "order_items_gameId_idx";

-- DropIndex
DROP INDEX "order_items_orderId_idx";

-- DropIndex
DROP INDEX "transactions_transactionHash_key";

-- DropIndex
DROP INDEX "transactions_createdAt_idx";

-- DropIndex
DROP INDEX "transactions_status_idx";

-- DropIndex
DROP INDEX "transactions_transactionHash_idx";

-- DropIndex
DROP INDEX "transactions_type_idx";

-- DropIndex
DROP INDEX "transactions_userId_idx";

-- DropIndex
DROP INDEX "articles_slug_key";

-- DropIndex
DROP INDEX "articles_category_idx";

-- DropIndex
DROP INDEX "articles_published_idx";

-- DropIndex
DROP INDEX "articles_slug_idx";

-- DropIndex
DROP INDEX "categories_name_key";

-- DropIndex
DROP INDEX "categories_slug_key";

-- DropIndex
DROP INDEX "genres_name_key";

-- DropIndex
DROP INDEX "genres_slug_key";

-- DropIndex
DROP INDEX "platforms_name_key";

-- DropIndex
DROP INDEX "platforms_slug_key";

-- DropIndex
DROP INDEX "tags_name_key";

-- DropIndex
DROP INDEX "tags_slug_key";

-- DropIndex
DROP INDEX "wishlist_userId_idx";

-- DropIndex
DROP INDEX "cart_items_userId_idx";

-- DropIndex
DROP INDEX "promo_codes_code_key";

-- DropIndex
DROP INDEX "promo_codes_code_idx";

-- DropIndex
DROP INDEX "sessions_sessionId_key";

-- DropIndex
DROP INDEX "sessions_expiresAt_idx";

-- DropIndex
DROP INDEX "sessions_sessionId_idx";

-- DropIndex
DROP INDEX "faqs_category_order_idx";

-- DropIndex
DROP INDEX "login_history_createdAt_idx";

-- DropIndex
DROP INDEX "login_history_userId_createdAt_idx";

-- DropIndex
DROP INDEX "g2a_settings_clientId_key";

-- DropIndex
DROP INDEX "email_settings_name_key";

