"""Requests: what clients, load tools and proxies write before there is a WebSocket."""
