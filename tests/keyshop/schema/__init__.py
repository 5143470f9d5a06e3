"""Taking over a database that Prisma made, and giving it back."""
