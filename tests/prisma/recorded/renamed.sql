-- DropForeignKey
ALTER TABLE "game_keys" DROP CONSTRAINT "game_keys_gameId_fkey";

-- DropForeignKey
ALTER TABLE "game_keys" DROP CONSTRAINT "game_keys_orderId_fkey";

-- DropForeignKey
ALTER TABLE "orders" DROP CONSTRAINT "orders_userId_fkey";

-- DropForeignKey
ALTER TABLE "order_items" DROP CONSTRAINT "order_items_gameId_fkey";

-- DropForeignKey
ALTER TABLE "order_items" DROP CONSTRAINT "order_items_orderId_fkey";

-- DropForeignKey
ALTER TABLE "transactions" DROP CONSTRAINT "transactions_orderId_fkey";

-- DropForeignKey
ALTER TABLE "transactions" DROP CONSTRAINT "transactions_userId_fkey";

-- DropForeignKey
ALTER TABLE "game_categories" DROP CONSTRAINT "game_categories_categoryId_fkey";

-- DropForeignKey
ALTER TABLE "game_categories" DROP CONSTRAINT "game_categories_gameId_fkey";

-- DropForeignKey
ALTER TABLE "game_genres" DROP CONSTRAINT "game_genres_gameId_fkey";

-- DropForeignKey
ALTER TABLE "game_genres" DROP CONSTRAINT "game_genres_genreId_fkey";

-- DropForeignKey
ALTER TABLE "game_platforms" DROP CONSTRAINT "game_platforms_gameId_fkey";

-- DropForeignKey
ALTER TABLE "game_platforms" DROP CONSTRAINT "game_platforms_platformId_fkey";

-- DropForeignKey
ALTER TABLE "game_tags" DROP CONSTRAINT "game_tags_gameId_fkey";

-- DropForeignKey
ALTER TABLE "game_tags" DROP CONSTRAINT "game_tags_tagId_fkey";

-- DropForeignKey
ALTER TABLE "wishlist" DROP CONSTRAINT "wishlist_gameId_fkey";

-- DropForeignKey
ALTER TABLE "wishlist" DROP CONSTRAINT "wishlist_userId_fkey";

-- DropForeignKey
ALTER TABLE "cart_items" DROP CONSTRAINT "cart_items_gameId_fkey";

-- DropForeignKey
ALTER TABLE "cart_items" DROP CONSTRAINT "cart_items_userId_fkey";

-- DropForeignKey
ALTER TABLE "login_history" DROP CONSTRAINT "login_history_userId_fkey";

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
DROP INDEX "transactions_orderId_key";

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

-- AlterTable
ALTER TABLE "users" DROP COLUMN "avatar",
DROP COLUMN "balance",
DROP COLUMN "createdAt",
DROP COLUMN "email",
DROP COLUMN "emailVerified",
DROP COLUMN "firstName",
DROP COLUMN "lastName",
DROP COLUMN "nickname",
DROP COLUMN "passwordHash",
DROP COLUMN "role",
DROP COLUMN "updatedAt",
ADD COLUMN     "avatar_new" TEXT,
ADD COLUMN     "balance_new" DECIMAL(10,2) NOT NULL DEFAULT 0,
ADD COLUMN     "createdAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "emailVerified_new" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "email_new" TEXT NOT NULL,
ADD COLUMN     "firstName_new" TEXT,
ADD COLUMN     "lastName_new" TEXT,
ADD COLUMN     "nickname_new" TEXT DEFAULT 'Newbie Guy',
ADD COLUMN     "passwordHash_new" TEXT NOT NULL,
ADD COLUMN     "role_new" "Role" NOT NULL DEFAULT 'USER',
ADD COLUMN     "updatedAt_new" TIMESTAMP(3) NOT NULL;

-- AlterTable
ALTER TABLE "games" DROP COLUMN "activationService",
DROP COLUMN "ageRating",
DROP COLUMN "createdAt",
DROP COLUMN "currency",
DROP COLUMN "description",
DROP COLUMN "discount",
DROP COLUMN "g2aLastSync",
DROP COLUMN "g2aProductId",
DROP COLUMN "g2aStock",
DROP COLUMN "image",
DROP COLUMN "images",
DROP COLUMN "inStock",
DROP COLUMN "isBestSeller",
DROP COLUMN "isNew",
DROP COLUMN "isPreorder",
DROP COLUMN "languages",
DROP COLUMN "metacriticScore",
DROP COLUMN "multiplayer",
DROP COLUMN "originalPrice",
DROP COLUMN "price",
DROP COLUMN "publisher",
DROP COLUMN "ratingCritic",
DROP COLUMN "ratingUser",
DROP COLUMN "region",
DROP COLUMN "releaseDate",
DROP COLUMN "shortDescription",
DROP COLUMN "slug",
DROP COLUMN "title",
DROP COLUMN "updatedAt",
DROP COLUMN "userRating",
ADD COLUMN     "activationService_new" TEXT,
ADD COLUMN     "ageRating_new" TEXT,
ADD COLUMN     "createdAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "currency_new" TEXT NOT NULL DEFAULT 'EUR',
ADD COLUMN     "description_new" TEXT NOT NULL,
ADD COLUMN     "discount_new" INTEGER DEFAULT 0,
ADD COLUMN     "g2aLastSync_new" TIMESTAMP(3),
ADD COLUMN     "g2aProductId_new" TEXT,
ADD COLUMN     "g2aStock_new" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "image_new" TEXT NOT NULL,
ADD COLUMN     "images_new" TEXT[],
ADD COLUMN     "inStock_new" BOOLEAN NOT NULL DEFAULT true,
ADD COLUMN     "isBestSeller_new" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "isNew_new" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "isPreorder_new" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "languages_new" TEXT[],
ADD COLUMN     "metacriticScore_new" INTEGER,
ADD COLUMN     "multiplayer_new" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "originalPrice_new" DECIMAL(10,2),
ADD COLUMN     "price_new" DECIMAL(10,2) NOT NULL,
ADD COLUMN     "publisher_new" TEXT,
ADD COLUMN     "ratingCritic_new" SMALLINT,
ADD COLUMN     "ratingUser_new" SMALLINT,
ADD COLUMN     "region_new" TEXT,
ADD COLUMN     "releaseDate_new" TIMESTAMP(3) NOT NULL,
ADD COLUMN     "shortDescription_new" TEXT,
ADD COLUMN     "slug_new" TEXT NOT NULL,
ADD COLUMN     "title_new" TEXT NOT NULL,
ADD COLUMN     "updatedAt_new" TIMESTAMP(3) NOT NULL,
ADD COLUMN     "userRating_new" DECIMAL(3,2);

-- AlterTable
ALTER TABLE "game_keys" DROP COLUMN "activated",
DROP COLUMN "activationDate",
DROP COLUMN "createdAt",
DROP COLUMN "gameId",
DROP COLUMN "key",
DROP COLUMN "orderId",
ADD COLUMN     "activated_new" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "activationDate_new" TIMESTAMP(3),
ADD COLUMN     "createdAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "gameId_new" TEXT NOT NULL,
ADD COLUMN     "key_new" TEXT NOT NULL,
ADD COLUMN     "orderId_new" TEXT;

-- AlterTable
ALTER TABLE "orders" DROP COLUMN "completedAt",
DROP COLUMN "createdAt",
DROP COLUMN "discount",
DROP COLUMN "externalOrderId",
DROP COLUMN "paymentMethod",
DROP COLUMN "paymentStatus",
DROP COLUMN "promoCode",
DROP COLUMN "status",
DROP COLUMN "subtotal",
DROP COLUMN "total",
DROP COLUMN "userId",
ADD COLUMN     "completedAt_new" TIMESTAMP(3),
ADD COLUMN     "createdAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "discount_new" DECIMAL(10,2) NOT NULL DEFAULT 0,
ADD COLUMN     "externalOrderId_new" TEXT,
ADD COLUMN     "paymentMethod_new" TEXT,
ADD COLUMN     "paymentStatus_new" "PaymentStatus",
ADD COLUMN     "promoCode_new" TEXT,
ADD COLUMN     "status_new" "OrderStatus" NOT NULL DEFAULT 'PENDING',
ADD COLUMN     "subtotal_new" DECIMAL(10,2) NOT NULL,
ADD COLUMN     "total_new" DECIMAL(10,2) NOT NULL,
ADD COLUMN     "userId_new" TEXT NOT NULL;

-- AlterTable
ALTER TABLE "order_items" DROP COLUMN "discount",
DROP COLUMN "gameId",
DROP COLUMN "orderId",
DROP COLUMN "price",
DROP COLUMN "quantity",
ADD COLUMN     "discount_new" DECIMAL(10,2) NOT NULL DEFAULT 0,
ADD COLUMN     "gameId_new" TEXT NOT NULL,
ADD COLUMN     "orderId_new" TEXT NOT NULL,
ADD COLUMN     "price_new" DECIMAL(10,2) NOT NULL,
ADD COLUMN     "quantity_new" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "transactions" DROP COLUMN "amount",
DROP COLUMN "createdAt",
DROP COLUMN "currency",
DROP COLUMN "description",
DROP COLUMN "gatewayResponse",
DROP COLUMN "method",
DROP COLUMN "orderId",
DROP COLUMN "status",
DROP COLUMN "transactionHash",
DROP COLUMN "type",
DROP COLUMN "userId",
ADD COLUMN     "amount_new" DECIMAL(10,2) NOT NULL,
ADD COLUMN     "createdAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "currency_new" TEXT NOT NULL DEFAULT 'EUR',
ADD COLUMN     "description_new" TEXT,
ADD COLUMN     "gatewayResponse_new" JSONB,
ADD COLUMN     "method_new" TEXT,
ADD COLUMN     "orderId_new" TEXT,
ADD COLUMN     "status_new" "PaymentStatus" NOT NULL,
ADD COLUMN     "transactionHash_new" TEXT,
ADD COLUMN     "type_new" "TransactionType" NOT NULL,
ADD COLUMN     "userId_new" TEXT NOT NULL;

-- AlterTable
ALTER TABLE "payment_methods" DROP COLUMN "available",
DROP COLUMN "config",
DROP COLUMN "createdAt",
DROP COLUMN "icon",
DROP COLUMN "name",
DROP COLUMN "order",
DROP COLUMN "type",
DROP COLUMN "updatedAt",
ADD COLUMN     "available_new" BOOLEAN NOT NULL DEFAULT true,
ADD COLUMN     "config_new" JSONB,
ADD COLUMN     "createdAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "icon_new" TEXT,
ADD COLUMN     "name_new" TEXT NOT NULL,
ADD COLUMN     "order_new" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "type_new" TEXT NOT NULL,
ADD COLUMN     "updatedAt_new" TIMESTAMP(3) NOT NULL;

-- AlterTable
ALTER TABLE "payment_forms" DROP COLUMN "active",
DROP COLUMN "createdAt",
DROP COLUMN "fields",
DROP COLUMN "name",
DROP COLUMN "updatedAt",
DROP COLUMN "validation",
ADD COLUMN     "active_new" BOOLEAN NOT NULL DEFAULT true,
ADD COLUMN     "createdAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "fields_new" JSONB NOT NULL,
ADD COLUMN     "name_new" TEXT NOT NULL,
ADD COLUMN     "updatedAt_new" TIMESTAMP(3) NOT NULL,
ADD COLUMN     "validation_new" JSONB;

-- AlterTable
ALTER TABLE "articles" DROP COLUMN "author",
DROP COLUMN "category",
DROP COLUMN "content",
DROP COLUMN "coverImage",
DROP COLUMN "createdAt",
DROP COLUMN "excerpt",
DROP COLUMN "published",
DROP COLUMN "publishedAt",
DROP COLUMN "readTime",
DROP COLUMN "slug",
DROP COLUMN "tags",
DROP COLUMN "title",
DROP COLUMN "updatedAt",
ADD COLUMN     "author_new" TEXT NOT NULL,
ADD COLUMN     "category_new" TEXT NOT NULL,
ADD COLUMN     "content_new" TEXT NOT NULL,
ADD COLUMN     "coverImage_new" TEXT NOT NULL,
ADD COLUMN     "createdAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "excerpt_new" TEXT NOT NULL,
ADD COLUMN     "publishedAt_new" TIMESTAMP(3),
ADD COLUMN     "published_new" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "readTime_new" INTEGER,
ADD COLUMN     "slug_new" TEXT NOT NULL,
ADD COLUMN     "tags_new" TEXT[],
ADD COLUMN     "title_new" TEXT NOT NULL,
ADD COLUMN     "updatedAt_new" TIMESTAMP(3) NOT NULL;

-- AlterTable
ALTER TABLE "categories" DROP COLUMN "name",
DROP COLUMN "slug",
ADD COLUMN     "name_new" TEXT NOT NULL,
ADD COLUMN     "slug_new" TEXT NOT NULL;

-- AlterTable
ALTER TABLE "genres" DROP COLUMN "name",
DROP COLUMN "slug",
ADD COLUMN     "name_new" TEXT NOT NULL,
ADD COLUMN     "slug_new" TEXT NOT NULL;

-- AlterTable
ALTER TABLE "platforms" DROP COLUMN "name",
DROP COLUMN "slug",
ADD COLUMN     "name_new" TEXT NOT NULL,
ADD COLUMN     "slug_new" TEXT NOT NULL;

-- AlterTable
ALTER TABLE "tags" DROP COLUMN "name",
DROP COLUMN "slug",
ADD COLUMN     "name_new" TEXT NOT NULL,
ADD COLUMN     "slug_new" TEXT NOT NULL;

-- AlterTable
ALTER TABLE "game_categories" DROP CONSTRAINT "game_categories_pkey",
DROP COLUMN "categoryId",
DROP COLUMN "gameId",
ADD COLUMN     "categoryId_new" TEXT NOT NULL,
ADD COLUMN     "gameId_new" TEXT NOT NULL,
ADD CONSTRAINT "game_categories_pkey" PRIMARY KEY ("gameId_new", "categoryId_new");

-- AlterTable
ALTER TABLE "game_genres" DROP CONSTRAINT "game_genres_pkey",
DROP COLUMN "gameId",
DROP COLUMN "genreId",
ADD COLUMN     "gameId_new" TEXT NOT NULL,
ADD COLUMN     "genreId_new" TEXT NOT NULL,
ADD CONSTRAINT "game_genres_pkey" PRIMARY KEY ("gameId_new", "genreId_new");

-- AlterTable
ALTER TABLE "game_platforms" DROP CONSTRAINT "game_platforms_pkey",
DROP COLUMN "gameId",
DROP COLUMN "platformId",
ADD COLUMN     "gameId_new" TEXT NOT NULL,
ADD COLUMN     "platformId_new" TEXT NOT NULL,
ADD CONSTRAINT "game_platforms_pkey" PRIMARY KEY ("gameId_new", "platformId_new");

-- AlterTable
ALTER TABLE "game_tags" DROP CONSTRAINT "game_tags_pkey",
DROP COLUMN "gameId",
DROP COLUMN "tagId",
ADD COLUMN     "gameId_new" TEXT NOT NULL,
ADD COLUMN     "tagId_new" TEXT NOT NULL,
ADD CONSTRAINT "game_tags_pkey" PRIMARY KEY ("gameId_new", "tagId_new");

-- AlterTable
ALTER TABLE "wishlist" DROP CONSTRAINT "wishlist_pkey",
DROP COLUMN "addedAt",
DROP COLUMN "gameId",
DROP COLUMN "userId",
ADD COLUMN     "addedAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "gameId_new" TEXT NOT NULL,
ADD COLUMN     "userId_new" TEXT NOT NULL,
ADD CONSTRAINT "wishlist_pkey" PRIMARY KEY ("userId_new", "gameId_new");

-- AlterTable
ALTER TABLE "cart_items" DROP CONSTRAINT "cart_items_pkey",
DROP COLUMN "addedAt",
DROP COLUMN "gameId",
DROP COLUMN "quantity",
DROP COLUMN "userId",
ADD COLUMN     "addedAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "gameId_new" TEXT NOT NULL,
ADD COLUMN     "quantity_new" INTEGER NOT NULL DEFAULT 1,
ADD COLUMN     "userId_new" TEXT NOT NULL,
ADD CONSTRAINT "cart_items_pkey" PRIMARY KEY ("userId_new", "gameId_new");

-- AlterTable
ALTER TABLE "promo_codes" DROP COLUMN "active",
DROP COLUMN "code",
DROP COLUMN "createdAt",
DROP COLUMN "discount",
DROP COLUMN "maxUses",
DROP COLUMN "usedCount",
DROP COLUMN "validFrom",
DROP COLUMN "validUntil",
ADD COLUMN     "active_new" BOOLEAN NOT NULL DEFAULT true,
ADD COLUMN     "code_new" TEXT NOT NULL,
ADD COLUMN     "createdAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "discount_new" DECIMAL(5,2) NOT NULL,
ADD COLUMN     "maxUses_new" INTEGER,
ADD COLUMN     "usedCount_new" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "validFrom_new" TIMESTAMP(3) NOT NULL,
ADD COLUMN     "validUntil_new" TIMESTAMP(3) NOT NULL;

-- AlterTable
ALTER TABLE "sessions" DROP COLUMN "createdAt",
DROP COLUMN "data",
DROP COLUMN "expiresAt",
DROP COLUMN "sessionId",
ADD COLUMN     "createdAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "data_new" JSONB NOT NULL,
ADD COLUMN     "expiresAt_new" TIMESTAMP(3) NOT NULL,
ADD COLUMN     "sessionId_new" TEXT NOT NULL;

-- AlterTable
ALTER TABLE "faqs" DROP COLUMN "active",
DROP COLUMN "answer",
DROP COLUMN "category",
DROP COLUMN "createdAt",
DROP COLUMN "order",
DROP COLUMN "question",
ADD COLUMN     "active_new" BOOLEAN NOT NULL DEFAULT true,
ADD COLUMN     "answer_new" TEXT NOT NULL,
ADD COLUMN     "category_new" TEXT NOT NULL,
ADD COLUMN     "createdAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "order_new" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "question_new" TEXT NOT NULL;

-- AlterTable
ALTER TABLE "login_history" DROP COLUMN "createdAt",
DROP COLUMN "ipAddress",
DROP COLUMN "success",
DROP COLUMN "userAgent",
DROP COLUMN "userId",
ADD COLUMN     "createdAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "ipAddress_new" TEXT,
ADD COLUMN     "success_new" BOOLEAN NOT NULL DEFAULT true,
ADD COLUMN     "userAgent_new" TEXT,
ADD COLUMN     "userId_new" TEXT NOT NULL;

-- AlterTable
ALTER TABLE "g2a_settings" DROP COLUMN "apiKey",
DROP COLUMN "clientId",
DROP COLUMN "clientSecret",
DROP COLUMN "createdAt",
DROP COLUMN "email",
DROP COLUMN "environment",
DROP COLUMN "isActive",
DROP COLUMN "updatedAt",
ADD COLUMN     "apiKey_new" TEXT,
ADD COLUMN     "clientId_new" TEXT NOT NULL,
ADD COLUMN     "clientSecret_new" TEXT NOT NULL,
ADD COLUMN     "createdAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "email_new" TEXT NOT NULL,
ADD COLUMN     "environment_new" TEXT NOT NULL DEFAULT 'sandbox',
ADD COLUMN     "isActive_new" BOOLEAN NOT NULL DEFAULT true,
ADD COLUMN     "updatedAt_new" TIMESTAMP(3) NOT NULL;

-- AlterTable
ALTER TABLE "email_settings" DROP COLUMN "createdAt",
DROP COLUMN "fromEmail",
DROP COLUMN "fromName",
DROP COLUMN "host",
DROP COLUMN "isActive",
DROP COLUMN "name",
DROP COLUMN "password",
DROP COLUMN "port",
DROP COLUMN "secure",
DROP COLUMN "updatedAt",
DROP COLUMN "user",
ADD COLUMN     "createdAt_new" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "fromEmail_new" TEXT NOT NULL,
ADD COLUMN     "fromName_new" TEXT,
ADD COLUMN     "host_new" TEXT NOT NULL,
ADD COLUMN     "isActive_new" BOOLEAN NOT NULL DEFAULT true,
ADD COLUMN     "name_new" TEXT NOT NULL DEFAULT 'default',
ADD COLUMN     "password_new" TEXT NOT NULL,
ADD COLUMN     "port_new" INTEGER NOT NULL,
ADD COLUMN     "secure_new" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "updatedAt_new" TIMESTAMP(3) NOT NULL,
ADD COLUMN     "user_new" TEXT NOT NULL;

-- CreateIndex
CREATE UNIQUE INDEX "users_email_new_key" ON "users"("email_new");

-- CreateIndex
CREATE INDEX "users_email_new_idx" ON "users"("email_new");

-- CreateIndex
CREATE UNIQUE INDEX "games_slug_new_key" ON "games"("slug_new");

-- CreateIndex
CREATE INDEX "games_g2aProductId_new_idx" ON "games"("g2aProductId_new");

-- CreateIndex
CREATE INDEX "games_inStock_new_idx" ON "games"("inStock_new");

-- CreateIndex
CREATE INDEX "games_isBestSeller_new_idx" ON "games"("isBestSeller_new");

-- CreateIndex
CREATE INDEX "games_isNew_new_idx" ON "games"("isNew_new");

-- CreateIndex
CREATE INDEX "games_isPreorder_new_idx" ON "games"("isPreorder_new");

-- CreateIndex
CREATE INDEX "games_languages_new_idx" ON "games"("languages_new");

-- CreateIndex
CREATE INDEX "games_price_new_idx" ON "games"("price_new");

-- CreateIndex
CREATE INDEX "games_ratingCritic_new_idx" ON "games"("ratingCritic_new");

-- CreateIndex
CREATE INDEX "games_ratingUser_new_idx" ON "games"("ratingUser_new");

-- CreateIndex
CREATE INDEX "games_releaseDate_new_idx" ON "games"("releaseDate_new");

-- CreateIndex
CREATE INDEX "games_slug_new_idx" ON "games"("slug_new");

-- CreateIndex
CREATE UNIQUE INDEX "game_keys_key_new_key" ON "game_keys"("key_new");

-- CreateIndex
CREATE INDEX "game_keys_gameId_new_idx" ON "game_keys"("gameId_new");

-- CreateIndex
CREATE INDEX "game_keys_orderId_new_idx" ON "game_keys"("orderId_new");

-- CreateIndex
CREATE UNIQUE INDEX "orders_externalOrderId_new_key" ON "orders"("externalOrderId_new");

-- CreateIndex
CREATE INDEX "orders_createdAt_new_idx" ON "orders"("createdAt_new");

-- CreateIndex
CREATE INDEX "orders_externalOrderId_new_idx" ON "orders"("externalOrderId_new");

-- CreateIndex
CREATE INDEX "orders_status_new_idx" ON "orders"("status_new");

-- CreateIndex
CREATE INDEX "orders_userId_new_idx" ON "orders"("userId_new");

-- CreateIndex
CREATE INDEX "order_items_gameId_new_idx" ON "order_items"("gameId_new");

-- CreateIndex
CREATE INDEX "order_items_orderId_new_idx" ON "order_items"("orderId_new");

-- CreateIndex
CREATE UNIQUE INDEX "transactions_orderId_new_key" ON "transactions"("orderId_new");

-- CreateIndex
CREATE UNIQUE INDEX "transactions_transactionHash_new_key" ON "transactions"("transactionHash_new");

-- CreateIndex
CREATE INDEX "transactions_createdAt_new_idx" ON "transactions"("createdAt_new");

-- CreateIndex
CREATE INDEX "transactions_status_new_idx" ON "transactions"("status_new");

-- CreateIndex
CREATE INDEX "transactions_transactionHash_new_idx" ON "transactions"("transactionHash_new");

-- CreateIndex
CREATE INDEX "transactions_type_new_idx" ON "transactions"("type_new");

-- CreateIndex
CREATE INDEX "transactions_userId_new_idx" ON "transactions"("userId_new");

-- CreateIndex
CREATE UNIQUE INDEX "articles_slug_new_key" ON "articles"("slug_new");

-- CreateIndex
CREATE INDEX "articles_category_new_idx" ON "articles"("category_new");

-- CreateIndex
CREATE INDEX "articles_published_new_idx" ON "articles"("published_new");

-- CreateIndex
CREATE INDEX "articles_slug_new_idx" ON "articles"("slug_new");

-- CreateIndex
CREATE UNIQUE INDEX "categories_name_new_key" ON "categories"("name_new");

-- CreateIndex
CREATE UNIQUE INDEX "categories_slug_new_key" ON "categories"("slug_new");

-- CreateIndex
CREATE UNIQUE INDEX "genres_name_new_key" ON "genres"("name_new");

-- CreateIndex
CREATE UNIQUE INDEX "genres_slug_new_key" ON "genres"("slug_new");

-- CreateIndex
CREATE UNIQUE INDEX "platforms_name_new_key" ON "platforms"("name_new");

-- CreateIndex
CREATE UNIQUE INDEX "platforms_slug_new_key" ON "platforms"("slug_new");

-- CreateIndex
CREATE UNIQUE INDEX "tags_name_new_key" ON "tags"("name_new");

-- CreateIndex
CREATE UNIQUE INDEX "tags_slug_new_key" ON "tags"("slug_new");

-- CreateIndex
CREATE INDEX "wishlist_userId_new_idx" ON "wishlist"("userId_new");

-- CreateIndex
CREATE INDEX "cart_items_userId_new_idx" ON "cart_items"("userId_new");

-- CreateIndex
CREATE UNIQUE INDEX "promo_codes_code_new_key" ON "promo_codes"("code_new");

-- CreateIndex
CREATE INDEX "promo_codes_code_new_idx" ON "promo_codes"("code_new");

-- CreateIndex
CREATE UNIQUE INDEX "sessions_sessionId_new_key" ON "sessions"("sessionId_new");

-- CreateIndex
CREATE INDEX "sessions_expiresAt_new_idx" ON "sessions"("expiresAt_new");

-- CreateIndex
CREATE INDEX "sessions_sessionId_new_idx" ON "sessions"("sessionId_new");

-- CreateIndex
CREATE INDEX "faqs_category_new_order_new_idx" ON "faqs"("category_new", "order_new");

-- CreateIndex
CREATE INDEX "login_history_createdAt_new_idx" ON "login_history"("createdAt_new");

-- CreateIndex
CREATE INDEX "login_history_userId_new_createdAt_new_idx" ON "login_history"("userId_new", "createdAt_new");

-- CreateIndex
CREATE UNIQUE INDEX "g2a_settings_clientId_new_key" ON "g2a_settings"("clientId_new");

-- CreateIndex
CREATE UNIQUE INDEX "email_settings_name_new_key" ON "email_settings"("name_new");

-- AddForeignKey
ALTER TABLE "game_keys" ADD CONSTRAINT "game_keys_gameId_new_fkey" FOREIGN KEY ("gameId_new") REFERENCES "games"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "game_keys" ADD CONSTRAINT "game_keys_orderId_new_fkey" FOREIGN KEY ("orderId_new") REFERENCES "orders"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "orders" ADD CONSTRAINT "orders_userId_new_fkey" FOREIGN KEY ("userId_new") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "order_items" ADD CONSTRAINT "order_items_gameId_new_fkey" FOREIGN KEY ("gameId_new") REFERENCES "games"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "order_items" ADD CONSTRAINT "order_items_orderId_new_fkey" FOREIGN KEY ("orderId_new") REFERENCES "orders"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "transactions" ADD CONSTRAINT "transactions_orderId_new_fkey" FOREIGN KEY ("orderId_new") REFERENCES "orders"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "transactions" ADD CONSTRAINT "transactions_userId_new_fkey" FOREIGN KEY ("userId_new") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "game_categories" ADD CONSTRAINT "game_categories_categoryId_new_fkey" FOREIGN KEY ("categoryId_new") REFERENCES "categories"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "game_categories" ADD CONSTRAINT "game_categories_gameId_new_fkey" FOREIGN KEY ("gameId_new") REFERENCES "games"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "game_genres" ADD CONSTRAINT "game_genres_gameId_new_fkey" FOREIGN KEY ("gameId_new") REFERENCES "games"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "game_genres" ADD CONSTRAINT "game_genres_genreId_new_fkey" FOREIGN KEY ("genreId_new") REFERENCES "genres"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "game_platforms" ADD CONSTRAINT "game_platforms_gameId_new_fkey" FOREIGN KEY ("gameId_new") REFERENCES "games"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "game_platforms" ADD CONSTRAINT "game_platforms_platformId_new_fkey" FOREIGN KEY ("platformId_new") REFERENCES "platforms"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "game_tags" ADD CONSTRAINT "game_tags_gameId_new_fkey" FOREIGN KEY ("gameId_new") REFERENCES "games"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "game_tags" ADD CONSTRAINT "game_tags_tagId_new_fkey" FOREIGN KEY ("tagId_new") REFERENCES "tags"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "wishlist" ADD CONSTRAINT "wishlist_gameId_new_fkey" FOREIGN KEY ("gameId_new") REFERENCES "games"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "wishlist" ADD CONSTRAINT "wishlist_userId_new_fkey" FOREIGN KEY ("userId_new") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "cart_items" ADD CONSTRAINT "cart_items_gameId_new_fkey" FOREIGN KEY ("gameId_new") REFERENCES "games"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "cart_items" ADD CONSTRAINT "cart_items_userId_new_fkey" FOREIGN KEY ("userId_new") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "login_history" ADD CONSTRAINT "login_history_userId_new_fkey" FOREIGN KEY ("userId_new") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

