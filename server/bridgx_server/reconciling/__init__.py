"""`bridgx reconcile`: compare the clouds with the inventory by hand, on the database itself, with or without a server."""
