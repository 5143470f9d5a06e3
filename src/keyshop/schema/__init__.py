"""The database schema: its status, upgrades, and attaching a database that Prisma made."""
