"""The audit log: who did what to which thing; entries are only added."""
