"""The ground floor: values and rules that need nothing else of this server."""
