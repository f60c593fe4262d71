"""Providers: the three wire dialects, the scripted one and the offline demo."""
