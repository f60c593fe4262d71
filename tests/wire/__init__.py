"""Recorded provider streams and a loopback server that plays them."""
