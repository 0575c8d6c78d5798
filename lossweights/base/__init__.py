"""The ground that every other room stands on."""
