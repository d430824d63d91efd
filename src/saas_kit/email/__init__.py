"""Messages to people: what they say is written in templates, and they go out once what they tell of is certain."""
