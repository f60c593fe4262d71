"""Settings, paths, keys, themes and stored approvals; knows no screen."""
