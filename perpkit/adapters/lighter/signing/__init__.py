"""
Everything that is signed: transactions and their numbers (``tx``), the signing library (``library``), the signer of one
account (``signer``), nonces (``nonce``) and auth tokens (``auth_token``).
"""
