"""`python -m bridgx_server.cloudsim` is `bridgx cloudsim`."""

from bridgx_server.cloudsim.command import cloudsim_command

cloudsim_command()
