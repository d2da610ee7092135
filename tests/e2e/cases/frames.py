"""Frames: what clients write into an open WebSocket."""
