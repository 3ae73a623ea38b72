"""What keeps a result honest and an agent harmless: rules, sandbox, the state of the tree."""
