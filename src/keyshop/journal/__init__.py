"""Who did what to which thing; rows are only added."""
