-- Schema public, exactly as Prisma's migrations leave it. Other applications may rely on every name,
-- order, default and index in it, including the redundant ones: never change it.
-- Ids and "updatedAt" have no default, because Prisma's client sets them. Every other writer must too.

CREATE TYPE public."Role" AS ENUM ('USER', 'ADMIN');
CREATE TYPE public."OrderStatus"
    AS ENUM ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED');
CREATE TYPE public."PaymentStatus"
    AS ENUM ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED');
CREATE TYPE public."TransactionType" AS ENUM ('TOP_UP', 'PURCHASE', 'REFUND');

-- Customers

CREATE TABLE public.users (
    id TEXT NOT NULL,
    email TEXT NOT NULL,
    "passwordHash" TEXT NOT NULL,
    nickname TEXT DEFAULT 'Newbie Guy',
    "firstName" TEXT,
    "lastName" TEXT,
    avatar TEXT,
    balance DECIMAL(10,2) NOT NULL DEFAULT 0,
    role public."Role" NOT NULL DEFAULT 'USER',
    "emailVerified" BOOLEAN NOT NULL DEFAULT false,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id)
);

CREATE TABLE public.login_history (
    id TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "ipAddress" TEXT,
    "userAgent" TEXT,
    success BOOLEAN NOT NULL DEFAULT true,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT login_history_pkey PRIMARY KEY (id)
);

CREATE TABLE public.sessions (
    id TEXT NOT NULL,
    "sessionId" TEXT NOT NULL,
    data JSONB NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT sessions_pkey PRIMARY KEY (id)
);

-- Games

CREATE TABLE public.games (
    id TEXT NOT NULL,
    title TEXT NOT NULL,
    slug TEXT NOT NULL,
    description TEXT NOT NULL,
    "shortDescription" TEXT,
    price DECIMAL(10,2) NOT NULL,
    "originalPrice" DECIMAL(10,2),
    discount INTEGER DEFAULT 0,
    currency TEXT NOT NULL DEFAULT 'EUR',
    image TEXT NOT NULL,
    images TEXT[],
    "inStock" BOOLEAN NOT NULL DEFAULT true,
    "g2aProductId" TEXT,
    "g2aStock" BOOLEAN NOT NULL DEFAULT false,
    "g2aLastSync" TIMESTAMP(3),
    "releaseDate" TIMESTAMP(3) NOT NULL,
    "metacriticScore" INTEGER,
    "userRating" DECIMAL(3,2),
    "ageRating" TEXT,
    multiplayer BOOLEAN NOT NULL DEFAULT false,
    "activationService" TEXT,
    region TEXT,
    publisher TEXT,
    "isBestSeller" BOOLEAN NOT NULL DEFAULT false,
    "isNew" BOOLEAN NOT NULL DEFAULT false,
    "isPreorder" BOOLEAN NOT NULL DEFAULT false,
    "ratingCritic" SMALLINT,
    "ratingUser" SMALLINT,
    languages TEXT[],
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT games_pkey PRIMARY KEY (id)
);

CREATE TABLE public.game_keys (
    id TEXT NOT NULL,
    "gameId" TEXT NOT NULL,
    key TEXT NOT NULL,
    "orderId" TEXT,
    activated BOOLEAN NOT NULL DEFAULT false,
    "activationDate" TIMESTAMP(3),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT game_keys_pkey PRIMARY KEY (id)
);

CREATE TABLE public.categories (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    CONSTRAINT categories_pkey PRIMARY KEY (id)
);

CREATE TABLE public.genres (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    CONSTRAINT genres_pkey PRIMARY KEY (id)
);

CREATE TABLE public.platforms (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    CONSTRAINT platforms_pkey PRIMARY KEY (id)
);

CREATE TABLE public.tags (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    CONSTRAINT tags_pkey PRIMARY KEY (id)
);

CREATE TABLE public.game_categories (
    "gameId" TEXT NOT NULL,
    "categoryId" TEXT NOT NULL,
    CONSTRAINT game_categories_pkey PRIMARY KEY ("gameId", "categoryId")
);

CREATE TABLE public.game_genres (
    "gameId" TEXT NOT NULL,
    "genreId" TEXT NOT NULL,
    CONSTRAINT game_genres_pkey PRIMARY KEY ("gameId", "genreId")
);

CREATE TABLE public.game_platforms (
    "gameId" TEXT NOT NULL,
    "platformId" TEXT NOT NULL,
    CONSTRAINT game_platforms_pkey PRIMARY KEY ("gameId", "platformId")
);

CREATE TABLE public.game_tags (
    "gameId" TEXT NOT NULL,
    "tagId" TEXT NOT NULL,
    CONSTRAINT game_tags_pkey PRIMARY KEY ("gameId", "tagId")
);

-- Carts, orders and payments

CREATE TABLE public.orders (
    id TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    status public."OrderStatus" NOT NULL DEFAULT 'PENDING',
    subtotal DECIMAL(10,2) NOT NULL,
    discount DECIMAL(10,2) NOT NULL DEFAULT 0,
    total DECIMAL(10,2) NOT NULL,
    "paymentMethod" TEXT,
    "paymentStatus" public."PaymentStatus",
    "promoCode" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "completedAt" TIMESTAMP(3),
    "externalOrderId" TEXT,
    CONSTRAINT orders_pkey PRIMARY KEY (id)
);

CREATE TABLE public.order_items (
    id TEXT NOT NULL,
    "orderId" TEXT NOT NULL,
    "gameId" TEXT NOT NULL,
    quantity INTEGER NOT NULL DEFAULT 1,
    price DECIMAL(10,2) NOT NULL,
    discount DECIMAL(10,2) NOT NULL DEFAULT 0,
    CONSTRAINT order_items_pkey PRIMARY KEY (id)
);

CREATE TABLE public.transactions (
    id TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "orderId" TEXT,
    type public."TransactionType" NOT NULL,
    amount DECIMAL(10,2) NOT NULL,
    currency TEXT NOT NULL DEFAULT 'EUR',
    method TEXT,
    status public."PaymentStatus" NOT NULL,
    description TEXT,
    "transactionHash" TEXT,
    "gatewayResponse" JSONB,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT transactions_pkey PRIMARY KEY (id)
);

CREATE TABLE public.payment_methods (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    icon TEXT,
    available BOOLEAN NOT NULL DEFAULT true,
    "order" INTEGER NOT NULL DEFAULT 0,
    config JSONB,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT payment_methods_pkey PRIMARY KEY (id)
);

CREATE TABLE public.payment_forms (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    fields JSONB NOT NULL,
    validation JSONB,
    active BOOLEAN NOT NULL DEFAULT true,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT payment_forms_pkey PRIMARY KEY (id)
);

CREATE TABLE public.promo_codes (
    id TEXT NOT NULL,
    code TEXT NOT NULL,
    discount DECIMAL(5,2) NOT NULL,
    "maxUses" INTEGER,
    "usedCount" INTEGER NOT NULL DEFAULT 0,
    "validFrom" TIMESTAMP(3) NOT NULL,
    "validUntil" TIMESTAMP(3) NOT NULL,
    active BOOLEAN NOT NULL DEFAULT true,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT promo_codes_pkey PRIMARY KEY (id)
);

CREATE TABLE public.wishlist (
    "userId" TEXT NOT NULL,
    "gameId" TEXT NOT NULL,
    "addedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT wishlist_pkey PRIMARY KEY ("userId", "gameId")
);

CREATE TABLE public.cart_items (
    "userId" TEXT NOT NULL,
    "gameId" TEXT NOT NULL,
    quantity INTEGER NOT NULL DEFAULT 1,
    "addedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT cart_items_pkey PRIMARY KEY ("userId", "gameId")
);

-- Articles

CREATE TABLE public.articles (
    id TEXT NOT NULL,
    slug TEXT NOT NULL,
    title TEXT NOT NULL,
    excerpt TEXT NOT NULL,
    content TEXT NOT NULL,
    "coverImage" TEXT NOT NULL,
    category TEXT NOT NULL,
    author TEXT NOT NULL,
    published BOOLEAN NOT NULL DEFAULT false,
    "publishedAt" TIMESTAMP(3),
    "readTime" INTEGER,
    tags TEXT[],
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT articles_pkey PRIMARY KEY (id)
);

CREATE TABLE public.faqs (
    id TEXT NOT NULL,
    category TEXT NOT NULL,
    question TEXT NOT NULL,
    answer TEXT NOT NULL,
    "order" INTEGER NOT NULL DEFAULT 0,
    active BOOLEAN NOT NULL DEFAULT true,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT faqs_pkey PRIMARY KEY (id)
);

-- Settings

CREATE TABLE public.g2a_settings (
    id TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    email TEXT NOT NULL,
    "clientSecret" TEXT NOT NULL,
    "apiKey" TEXT,
    "isActive" BOOLEAN NOT NULL DEFAULT true,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    environment TEXT NOT NULL DEFAULT 'sandbox',
    CONSTRAINT g2a_settings_pkey PRIMARY KEY (id)
);

CREATE TABLE public.email_settings (
    id TEXT NOT NULL,
    name TEXT NOT NULL DEFAULT 'default',
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    secure BOOLEAN NOT NULL DEFAULT false,
    "user" TEXT NOT NULL,
    password TEXT NOT NULL,
    "fromEmail" TEXT NOT NULL,
    "fromName" TEXT,
    "isActive" BOOLEAN NOT NULL DEFAULT true,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    CONSTRAINT email_settings_pkey PRIMARY KEY (id)
);

-- Unique: indexes, not constraints, as Prisma makes them

CREATE UNIQUE INDEX users_email_key ON public.users (email);
CREATE UNIQUE INDEX "sessions_sessionId_key" ON public.sessions ("sessionId");
CREATE UNIQUE INDEX games_slug_key ON public.games (slug);
CREATE UNIQUE INDEX game_keys_key_key ON public.game_keys (key);
CREATE UNIQUE INDEX categories_name_key ON public.categories (name);
CREATE UNIQUE INDEX categories_slug_key ON public.categories (slug);
CREATE UNIQUE INDEX genres_name_key ON public.genres (name);
CREATE UNIQUE INDEX genres_slug_key ON public.genres (slug);
CREATE UNIQUE INDEX platforms_name_key ON public.platforms (name);
CREATE UNIQUE INDEX platforms_slug_key ON public.platforms (slug);
CREATE UNIQUE INDEX tags_name_key ON public.tags (name);
CREATE UNIQUE INDEX tags_slug_key ON public.tags (slug);
CREATE UNIQUE INDEX "orders_externalOrderId_key" ON public.orders ("externalOrderId");
CREATE UNIQUE INDEX "transactions_orderId_key" ON public.transactions ("orderId");
CREATE UNIQUE INDEX "transactions_transactionHash_key" ON public.transactions ("transactionHash");
CREATE UNIQUE INDEX articles_slug_key ON public.articles (slug);
CREATE UNIQUE INDEX promo_codes_code_key ON public.promo_codes (code);
CREATE UNIQUE INDEX "g2a_settings_clientId_key" ON public.g2a_settings ("clientId");
CREATE UNIQUE INDEX email_settings_name_key ON public.email_settings (name);

-- Plain indexes; nine of them repeat a unique index or the beginning of a primary key

CREATE INDEX users_email_idx ON public.users (email);
CREATE INDEX "login_history_userId_createdAt_idx" ON public.login_history ("userId", "createdAt");
CREATE INDEX "login_history_createdAt_idx" ON public.login_history ("createdAt");
CREATE INDEX "sessions_sessionId_idx" ON public.sessions ("sessionId");
CREATE INDEX "sessions_expiresAt_idx" ON public.sessions ("expiresAt");

CREATE INDEX games_slug_idx ON public.games (slug);
CREATE INDEX "games_inStock_idx" ON public.games ("inStock");
CREATE INDEX "games_isPreorder_idx" ON public.games ("isPreorder");
CREATE INDEX "games_releaseDate_idx" ON public.games ("releaseDate");
CREATE INDEX "games_isBestSeller_idx" ON public.games ("isBestSeller");
CREATE INDEX "games_isNew_idx" ON public.games ("isNew");
CREATE INDEX games_price_idx ON public.games (price);
CREATE INDEX "games_g2aProductId_idx" ON public.games ("g2aProductId");
CREATE INDEX "games_ratingCritic_idx" ON public.games ("ratingCritic");
CREATE INDEX "games_ratingUser_idx" ON public.games ("ratingUser");
CREATE INDEX games_languages_idx ON public.games (languages);
CREATE INDEX "game_keys_gameId_idx" ON public.game_keys ("gameId");
CREATE INDEX "game_keys_orderId_idx" ON public.game_keys ("orderId");

CREATE INDEX "orders_userId_idx" ON public.orders ("userId");
CREATE INDEX orders_status_idx ON public.orders (status);
CREATE INDEX "orders_createdAt_idx" ON public.orders ("createdAt");
CREATE INDEX "orders_externalOrderId_idx" ON public.orders ("externalOrderId");
CREATE INDEX "order_items_orderId_idx" ON public.order_items ("orderId");
CREATE INDEX "order_items_gameId_idx" ON public.order_items ("gameId");
CREATE INDEX "transactions_userId_idx" ON public.transactions ("userId");
CREATE INDEX transactions_type_idx ON public.transactions (type);
CREATE INDEX transactions_status_idx ON public.transactions (status);
CREATE INDEX "transactions_transactionHash_idx" ON public.transactions ("transactionHash");
CREATE INDEX "transactions_createdAt_idx" ON public.transactions ("createdAt");
CREATE INDEX promo_codes_code_idx ON public.promo_codes (code);
CREATE INDEX "wishlist_userId_idx" ON public.wishlist ("userId");
CREATE INDEX "cart_items_userId_idx" ON public.cart_items ("userId");

CREATE INDEX articles_slug_idx ON public.articles (slug);
CREATE INDEX articles_category_idx ON public.articles (category);
CREATE INDEX articles_published_idx ON public.articles (published);
CREATE INDEX faqs_category_order_idx ON public.faqs (category, "order");

-- Foreign keys: rows that are deleted with their customer, game or order

ALTER TABLE public.login_history ADD CONSTRAINT "login_history_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES public.users (id) ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE public.game_keys ADD CONSTRAINT "game_keys_gameId_fkey"
    FOREIGN KEY ("gameId") REFERENCES public.games (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE public.game_keys ADD CONSTRAINT "game_keys_orderId_fkey"
    FOREIGN KEY ("orderId") REFERENCES public.orders (id) ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE public.game_categories ADD CONSTRAINT "game_categories_gameId_fkey"
    FOREIGN KEY ("gameId") REFERENCES public.games (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE public.game_categories ADD CONSTRAINT "game_categories_categoryId_fkey"
    FOREIGN KEY ("categoryId") REFERENCES public.categories (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE public.game_genres ADD CONSTRAINT "game_genres_gameId_fkey"
    FOREIGN KEY ("gameId") REFERENCES public.games (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE public.game_genres ADD CONSTRAINT "game_genres_genreId_fkey"
    FOREIGN KEY ("genreId") REFERENCES public.genres (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE public.game_platforms ADD CONSTRAINT "game_platforms_gameId_fkey"
    FOREIGN KEY ("gameId") REFERENCES public.games (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE public.game_platforms ADD CONSTRAINT "game_platforms_platformId_fkey"
    FOREIGN KEY ("platformId") REFERENCES public.platforms (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE public.game_tags ADD CONSTRAINT "game_tags_gameId_fkey"
    FOREIGN KEY ("gameId") REFERENCES public.games (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE public.game_tags ADD CONSTRAINT "game_tags_tagId_fkey"
    FOREIGN KEY ("tagId") REFERENCES public.tags (id) ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE public.orders ADD CONSTRAINT "orders_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES public.users (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE public.order_items ADD CONSTRAINT "order_items_orderId_fkey"
    FOREIGN KEY ("orderId") REFERENCES public.orders (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE public.order_items ADD CONSTRAINT "order_items_gameId_fkey"
    FOREIGN KEY ("gameId") REFERENCES public.games (id) ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE public.transactions ADD CONSTRAINT "transactions_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES public.users (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE public.transactions ADD CONSTRAINT "transactions_orderId_fkey"
    FOREIGN KEY ("orderId") REFERENCES public.orders (id) ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE public.wishlist ADD CONSTRAINT "wishlist_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES public.users (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE public.wishlist ADD CONSTRAINT "wishlist_gameId_fkey"
    FOREIGN KEY ("gameId") REFERENCES public.games (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE public.cart_items ADD CONSTRAINT "cart_items_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES public.users (id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE public.cart_items ADD CONSTRAINT "cart_items_gameId_fkey"
    FOREIGN KEY ("gameId") REFERENCES public.games (id) ON DELETE CASCADE ON UPDATE CASCADE;
