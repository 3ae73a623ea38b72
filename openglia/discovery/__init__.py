"""The discovery loop: the Researcher, the Supervisor, and the offline model that plays both."""
