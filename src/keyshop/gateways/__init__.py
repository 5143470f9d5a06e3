"""Other people's systems, one package for each foreign protocol; they implement what features ask for."""
