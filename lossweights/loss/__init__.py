"""The combined loss, its reference scales and weight sets."""
