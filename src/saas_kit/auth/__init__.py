"""Sign-in: an e-mail user model, tokens bound to sessions that can be revoked, and their API."""
