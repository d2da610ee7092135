"""Tokens and keys: what issuers make of RFC 7517 to 7519."""
