"""The whole system on one machine: simulated clouds, server, worker and Envoy, and a tour of it."""
