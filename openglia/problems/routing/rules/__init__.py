"""What the source of a router may not do: static rules, checked before it runs."""
