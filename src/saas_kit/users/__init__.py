"""People in their accounts and organizations: where sign-in meets tenancy. It has no tables of its own."""
