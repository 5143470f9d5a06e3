-- AlterTable
ALTER TABLE "users" DROP CONSTRAINT "users_pkey",
ADD CONSTRAINT "users_pkey" PRIMARY KEY ("id", "email");

-- AlterTable
ALTER TABLE "games" DROP CONSTRAINT "games_pkey",
ADD CONSTRAINT "games_pkey" PRIMARY KEY ("id", "slug");

-- AlterTable
ALTER TABLE "game_keys" DROP CONSTRAINT "game_keys_pkey",
ADD CONSTRAINT "game_keys_pkey" PRIMARY KEY ("id", "key");

-- AlterTable
ALTER TABLE "orders" DROP CONSTRAINT "orders_pkey",
ADD CONSTRAINT "orders_pkey" PRIMARY KEY ("id", "subtotal");

-- AlterTable
ALTER TABLE "order_items" DROP CONSTRAINT "order_items_pkey",
ADD CONSTRAINT "order_items_pkey" PRIMARY KEY ("id", "quantity");

-- AlterTable
ALTER TABLE "transactions" DROP CONSTRAINT "transactions_pkey",
ADD CONSTRAINT "transactions_pkey" PRIMARY KEY ("id", "amount");

-- AlterTable
ALTER TABLE "payment_methods" DROP CONSTRAINT "payment_methods_pkey",
ADD CONSTRAINT "payment_methods_pkey" PRIMARY KEY ("id", "order");

-- AlterTable
ALTER TABLE "payment_forms" DROP CONSTRAINT "payment_forms_pkey",
ADD CONSTRAINT "payment_forms_pkey" PRIMARY KEY ("id", "createdAt");

-- AlterTable
ALTER TABLE "articles" DROP CONSTRAINT "articles_pkey",
ADD CONSTRAINT "articles_pkey" PRIMARY KEY ("id", "slug");

-- AlterTable
ALTER TABLE "categories" DROP CONSTRAINT "categories_pkey",
ADD CONSTRAINT "categories_pkey" PRIMARY KEY ("id", "name");

-- AlterTable
ALTER TABLE "genres" DROP CONSTRAINT "genres_pkey",
ADD CONSTRAINT "genres_pkey" PRIMARY KEY ("id", "name");

-- AlterTable
ALTER TABLE "platforms" DROP CONSTRAINT "platforms_pkey",
ADD CONSTRAINT "platforms_pkey" PRIMARY KEY ("id", "name");

-- AlterTable
ALTER TABLE "tags" DROP CONSTRAINT "tags_pkey",
ADD CONSTRAINT "tags_pkey" PRIMARY KEY ("id", "name");

-- AlterTable
ALTER TABLE "game_categories" DROP CONSTRAINT "game_categories_pkey",
ADD CONSTRAINT "game_categories_pkey" PRIMARY KEY ("categoryId", "gameId");

-- AlterTable
ALTER TABLE "game_genres" DROP CONSTRAINT "game_genres_pkey",
ADD CONSTRAINT "game_genres_pkey" PRIMARY KEY ("genreId", "gameId");

-- AlterTable
ALTER TABLE "game_platforms" DROP CONSTRAINT "game_platforms_pkey",
ADD CONSTRAINT "game_platforms_pkey" PRIMARY KEY ("platformId", "gameId");

-- AlterTable
ALTER TABLE "game_tags" DROP CONSTRAINT "game_tags_pkey",
ADD CONSTRAINT "game_tags_pkey" PRIMARY KEY ("tagId", "gameId");

-- AlterTable
ALTER TABLE "wishlist" DROP CONSTRAINT "wishlist_pkey",
ADD CONSTRAINT "wishlist_pkey" PRIMARY KEY ("gameId", "userId");

-- AlterTable
ALTER TABLE "cart_items" DROP CONSTRAINT "cart_items_pkey",
ADD CONSTRAINT "cart_items_pkey" PRIMARY KEY ("gameId", "userId");

-- AlterTable
ALTER TABLE "promo_codes" DROP CONSTRAINT "promo_codes_pkey",
ADD CONSTRAINT "promo_codes_pkey" PRIMARY KEY ("id", "code");

-- AlterTable
ALTER TABLE "sessions" DROP CONSTRAINT "sessions_pkey",
ADD CONSTRAINT "sessions_pkey" PRIMARY KEY ("id", "sessionId");

-- AlterTable
ALTER TABLE "faqs" DROP CONSTRAINT "faqs_pkey",
ADD CONSTRAINT "faqs_pkey" PRIMARY KEY ("id", "order");

-- AlterTable
ALTER TABLE "login_history" DROP CONSTRAINT "login_history_pkey",
ADD CONSTRAINT "login_history_pkey" PRIMARY KEY ("id", "createdAt");

-- AlterTable
ALTER TABLE "g2a_settings" DROP CONSTRAINT "g2a_settings_pkey",
ADD CONSTRAINT "g2a_settings_pkey" PRIMARY KEY ("id", "clientId");

-- AlterTable
ALTER TABLE "email_settings" DROP CONSTRAINT "email_settings_pkey",
ADD CONSTRAINT "email_settings_pkey" PRIMARY KEY ("id", "name");

-- CreateIndex
CREATE UNIQUE INDEX "users_id_key" ON "users"("id");

-- CreateIndex
CREATE UNIQUE INDEX "games_id_key" ON "games"("id");

-- CreateIndex
CREATE UNIQUE INDEX "game_keys_id_key" ON "game_keys"("id");

-- CreateIndex
CREATE UNIQUE INDEX "orders_id_key" ON "orders"("id");

-- CreateIndex
CREATE UNIQUE INDEX "order_items_id_key" ON "order_items"("id");

-- CreateIndex
CREATE UNIQUE INDEX "transactions_id_key" ON "transactions"("id");

-- CreateIndex
CREATE UNIQUE INDEX "payment_methods_id_key" ON "payment_methods"("id");

-- CreateIndex
CREATE UNIQUE INDEX "payment_forms_id_key" ON "payment_forms"("id");

-- CreateIndex
CREATE UNIQUE INDEX "articles_id_key" ON "articles"("id");

-- CreateIndex
CREATE UNIQUE INDEX "categories_id_key" ON "categories"("id");

-- CreateIndex
CREATE UNIQUE INDEX "genres_id_key" ON "genres"("id");

-- CreateIndex
CREATE UNIQUE INDEX "platforms_id_key" ON "platforms"("id");

-- CreateIndex
CREATE UNIQUE INDEX "tags_id_key" ON "tags"("id");

-- CreateIndex
CREATE UNIQUE INDEX "promo_codes_id_key" ON "promo_codes"("id");

-- CreateIndex
CREATE UNIQUE INDEX "sessions_id_key" ON "sessions"("id");

-- CreateIndex
CREATE UNIQUE INDEX "faqs_id_key" ON "faqs"("id");

-- CreateIndex
CREATE UNIQUE INDEX "login_history_id_key" ON "login_history"("id");

-- CreateIndex
CREATE UNIQUE INDEX "g2a_settings_id_key" ON "g2a_settings"("id");

-- CreateIndex
CREATE UNIQUE INDEX "email_settings_id_key" ON "email_settings"("id");

