"""The demo page in the browser."""
