"""Walks through the API the way a customer's program does, with nothing but the generated client."""
