"""Known routers and RESULTS.md. Agents at work never see this folder: the sandbox hides it."""
