"""Tools an agent may use, and the permissions that guard them."""
