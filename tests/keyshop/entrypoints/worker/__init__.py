"""What is promised about jobs and the clock."""
