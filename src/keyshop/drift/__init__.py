"""What contradicts the rules of money, orders and keys, found in the database by an audit."""
