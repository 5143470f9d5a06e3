"""What the API shares with other web applications: requests, responses, identity, errors."""
