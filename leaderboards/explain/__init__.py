"""Why: what became of the direction along which a base tells harmful from harmless prompts."""
