"""A parametric family of routers, for the offline researcher to search."""
