"""`python -m bridgx_server` is `bridgx`."""

from bridgx_server.cli import main

main()
