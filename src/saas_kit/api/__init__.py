"""What the API of every app is made of: one contract for errors, paging, filters, permissions and schema."""
