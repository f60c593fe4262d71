"""Our agents for editors, over the Agent Client Protocol.

The modules import the package `agent-client-protocol`, which takes a second: import them when they
are needed, never at start.
"""
