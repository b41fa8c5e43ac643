"""What stands between the wire and the layers around a servicer: it receives in coroutines and works in threads."""
