"""Who calls: tokens of the settings, tokens of the store, and JWTs of an OIDC issuer, as one kind of identity."""
