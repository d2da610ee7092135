"""Programs: what operators type, and what their shells and files hand over."""
