"""Long trials of what must never happen: `make torture`, docs/reliability.md."""
