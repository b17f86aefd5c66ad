"""The pages people look at: rendered here from what is stored. What a visitor asks for goes to ``command`` in their own name."""
