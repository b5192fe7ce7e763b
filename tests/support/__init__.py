"""What several tests need: programs, sounds, servers, a bad network."""
