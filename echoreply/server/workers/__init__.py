"""A part of the house."""
